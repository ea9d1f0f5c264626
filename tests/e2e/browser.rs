//! tiny-web and other people's web clients: a browser, and those without a window.

#[cfg(unix)]
mod chromium;
mod clients;
#[cfg(unix)]
mod devtools;

/// The smallest GIF: one pixel.
const GIF: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
