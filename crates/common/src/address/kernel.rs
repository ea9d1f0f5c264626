//! An address as the kernel has it, and what the man pages call its family.

#[cfg(unix)]
use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
#[cfg(unix)]
use std::os::unix::ffi::OsStrExt;
#[cfg(unix)]
use std::path::PathBuf;

#[cfg(unix)]
use rustix::net::SocketAddrUnix;
use rustix::net::{AddressFamily, SocketAddrAny, SocketType};

use super::Address;
use crate::Errno;

/// The kernel's form of an address. What has none, as a socket that nobody has bound, is `0.0.0.0:0`.
#[inline(always)]
pub(crate) fn of_kernel(any: Option<SocketAddrAny>) -> Address {
    let Some(any) = any else { return Address::Internet((Ipv4Addr::UNSPECIFIED, 0).into()) };
    #[cfg(unix)]
    if any.address_family() == AddressFamily::UNIX
        && let Ok(unix) = SocketAddrUnix::try_from(any.clone())
    {
        // A name that is in no file system, which Linux has too, begins with a byte of 0: unix(7), "abstract".
        #[cfg(target_os = "linux")]
        if let Some(name) = unix.abstract_name() {
            return Address::Unix(PathBuf::from(OsStr::from_bytes(&[b"\0", name].concat())));
        }
        let path = unix.path_bytes().unwrap_or_default();
        return Address::Unix(PathBuf::from(OsStr::from_bytes(path)));
    }
    SocketAddr::try_from(any).map_or_else(|_| Address::Internet((Ipv4Addr::UNSPECIFIED, 0).into()), Address::Internet)
}

/// What the kernel is handed for an address.
///
/// Errors: `ENAMETOOLONG`: the path of a socket has at most 107 bytes.
pub(crate) fn to_kernel(address: &Address) -> std::result::Result<SocketAddrAny, Errno> {
    match address {
        Address::Internet(address) => Ok((*address).into()),
        #[cfg(unix)]
        Address::Unix(path) => {
            #[cfg(target_os = "linux")]
            if path.as_os_str().is_empty() {
                return Ok(SocketAddrUnix::new_unnamed().into());
            }
            #[cfg(target_os = "linux")]
            if let Some(name) = path.as_os_str().as_bytes().strip_prefix(b"\0") {
                return Ok(SocketAddrUnix::new_abstract_name(name)?.into());
            }
            Ok(SocketAddrUnix::new(path.as_path())?.into())
        }
    }
}

/// The name that the man pages have for an address family.
pub(crate) fn family_name(family: AddressFamily) -> &'static str {
    match family {
        AddressFamily::INET => "AF_INET",
        AddressFamily::INET6 => "AF_INET6",
        AddressFamily::UNIX => "AF_UNIX",
        _ => "AF_?",
    }
}

/// The name that the man pages have for a type of socket.
pub(crate) fn kind_name(kind: SocketType) -> &'static str {
    match kind {
        SocketType::STREAM => "SOCK_STREAM",
        SocketType::DGRAM => "SOCK_DGRAM",
        _ => "SOCK_?",
    }
}
