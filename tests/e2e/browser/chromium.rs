//! tiny-web in a browser: what a person sees, clicks and hears.

use std::fs;

use super::GIF;
use super::devtools::Browser;
use crate::harness::Server;

/// A server of a folder with these files in it.
fn server(folder: &tempfile::TempDir, files: &[(&str, &[u8])]) -> Server {
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    Server::start("tiny-web", &[folder.path().to_str().unwrap()])
}

#[test]
fn a_browser_shows_the_lectures_page_and_finds_an_icon() {
    let server = Server::start("tiny-web", &[]);
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&format!("http://{}/", server.address));
    assert_eq!(browser.value("document.querySelector('p').textContent"), "Hello world!");
    // Without a window, it doesn't ask for the icon by itself.
    let icon = "new Promise(done => { const icon = new Image(); icon.onload = () => done(icon.naturalWidth > 0);
                icon.onerror = () => done(false); icon.src = '/favicon.ico' })";
    assert_eq!(browser.value(icon), true);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    drop(browser);
    assert_eq!(server.stops_well(), "");
}

#[test]
fn a_browser_shows_a_page_with_its_stylesheet_its_script_and_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let page = br#"<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>A page</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="../style.css"></head>
<body>
<p id="text">Text</p> <img id="picture" src="/picture.gif" alt="">
<script type="module" src="script.js"></script>
</body></html>
"#;
    let script = br#"import { name } from "./module.mjs";
document.getElementById("text").textContent = `${name} and ${(await (await fetch("data.json")).json()).kind}`;
"#;
    let server = server(
        &folder,
        &[
            ("a folder/index.html", page),
            ("a folder/script.js", script),
            ("a folder/module.mjs", b"export const name = \"a module\";\n"),
            ("a folder/data.json", b"{\"kind\": \"data\"}\n"),
            ("style.css", b"p { color: rgb(1, 2, 3) }\n"),
            ("picture.gif", GIF),
        ],
    );
    let Some(mut browser) = Browser::start() else { return };
    // Without the slash: the browser is sent on, or the links in the page would lead elsewhere.
    browser.open(&format!("http://{}/a%20folder", server.address));
    browser.shows("document.getElementById('text').textContent == 'a module and data'");
    assert_eq!(browser.value("location.pathname"), "/a%20folder/");
    assert_eq!(browser.value("getComputedStyle(document.querySelector('p')).color"), "rgb(1, 2, 3)");
    assert_eq!(browser.value("document.getElementById('picture').naturalWidth"), 1);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    // Once more: it asks whether anything has changed, and nothing has.
    browser.events.clear();
    browser.value("window.isOld = true");
    browser.call("Page.reload", serde_json::json!({}));
    browser.shows(
        "!window.isOld && document.readyState == 'complete' && document.getElementById('text').textContent != 'Text'",
    );
    assert_eq!(browser.value("document.getElementById('picture').naturalWidth"), 1);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    drop(browser);
    assert_eq!(server.stops_well(), "");
}

#[test]
fn a_person_clicks_through_folders_to_a_picture_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let odd = "<b>odd</b> & \"quoted\" 100% #1?.txt".replace('/', "|");
    let server = server(
        &folder,
        &[
            ("holiday/beach/sea.gif", GIF),
            ("holiday/notes.txt", b"the notes\n"),
            (&format!("holiday/{odd}"), b"the odd one\n"),
            ("holiday/\u{e9}t\u{e9}/x.txt", b""),
            ("readme.txt", b"read me\n"),
        ],
    );
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&format!("http://{}/", server.address));
    assert_eq!(browser.value("[...document.links].map(link => link.textContent).join()"), "holiday/,readme.txt");
    browser.click("holiday/");
    browser.shows("location.pathname == '/holiday/'");
    browser.click("beach/");
    browser.shows("location.pathname == '/holiday/beach/'");
    browser.click("sea.gif");
    browser.shows("document.images.length == 1 && document.images[0].naturalWidth == 1");
    browser.go_back();
    browser.shows("location.pathname == '/holiday/beach/'");
    browser.click("../");
    browser.shows("location.pathname == '/holiday/' && document.readyState == 'complete'");
    // Names are text, and nothing else.
    assert_eq!(browser.value("document.querySelectorAll('b').length"), 0);
    browser.click(&odd);
    browser.shows("document.body != null && document.body.textContent == 'the odd one\\n'");
    browser.go_back();
    browser.click("\u{e9}t\u{e9}/");
    browser.shows("decodeURI(location.pathname) == '/holiday/\u{e9}t\u{e9}/'");
    // It reads well aloud: a title, a heading, a table with headings, a language.
    let parts = "[document.title != '', document.querySelectorAll('h1').length == 1,
                  document.querySelectorAll('th').length > 0, document.documentElement.lang != ''].join()";
    assert_eq!(browser.value(parts), "true,true,true,true");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    drop(browser);
    assert_eq!(server.stops_well(), "");
}

/// So many seconds of silence: a head that says how the samples are to be read, and 48,000 of them a second.
fn wave(seconds: u32) -> Vec<u8> {
    const SAMPLES: u32 = 48_000;
    let length = SAMPLES * 2 * seconds;
    let mut wave = [&b"RIFF"[..], &(36 + length).to_le_bytes(), b"WAVEfmt ", &16u32.to_le_bytes()].concat();
    // PCM, one channel, samples a second, bytes a second, bytes and bits a sample.
    for (value, bytes) in [(1, 2), (1, 2), (SAMPLES, 4), (SAMPLES * 2, 4), (2, 2), (16, 2)] {
        wave.extend_from_slice(&value.to_le_bytes()[..bytes]);
    }
    wave.extend([&b"data"[..], &length.to_le_bytes()].concat());
    wave.resize(wave.len() + length as usize, 0);
    wave
}

#[test]
fn a_person_jumps_to_the_end_of_a_long_recording() {
    const SECONDS: u32 = 600;
    let folder = tempfile::tempdir().unwrap();
    let page = b"<!DOCTYPE html><link rel=\"icon\" href=\"data:,\"><audio id=\"it\" preload=\"metadata\" src=\"long.wav\"></audio>";
    let server = server(&folder, &[("index.html", page), ("long.wav", &wave(SECONDS))]);
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&format!("http://{}/", server.address));
    browser.shows("document.getElementById('it').readyState > 0");
    assert_eq!(browser.value("document.getElementById('it').duration"), SECONDS);
    assert_eq!(browser.value("document.getElementById('it').seekable.end(0)"), SECONDS);
    browser.value(
        "new Promise((done, failed) => { const it = document.getElementById('it');
         it.onseeked = done; it.onerror = () => failed(it.error.message); it.currentTime = 590 }).then(() => 0)",
    );
    browser.shows("document.getElementById('it').readyState > 1");
    // It has asked for parts, and for one far behind in the file: what lies between did not have to come.
    let responses = browser.responses();
    let parts: Vec<_> = responses.iter().filter(|(path, ..)| path == "/long.wav").collect();
    assert!(parts.len() > 1 && parts.iter().all(|(_, status, _)| *status == 206), "{parts:?}");
    let from = |fields: &serde_json::Value| -> u64 {
        let range = fields["content-range"].as_str().unwrap_or_default().to_owned();
        range.trim_start_matches("bytes ").split('-').next().unwrap_or_default().parse().unwrap()
    };
    assert_eq!(from(&parts[0].2), 0);
    assert!(parts.iter().any(|(.., fields)| from(fields) > 40_000_000), "{parts:?}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    drop(browser);
    server.stops_well();
}

#[test]
fn a_browser_plays_a_video_that_it_has_made_itself() {
    let folder = tempfile::tempdir().unwrap();
    let page = b"<!DOCTYPE html><link rel=\"icon\" href=\"data:,\"><video id=\"it\" muted></video>";
    let server = server(&folder, &[("index.html", page)]);
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&format!("http://{}/", server.address));
    let made = browser.value(
        r#"(async () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [64, 48];
    const pen = canvas.getContext("2d"), pieces = [];
    const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: "video/webm;codecs=vp8" });
    recorder.ondataavailable = event => pieces.push(event.data);
    const stopped = new Promise(done => recorder.onstop = done);
    recorder.start();
    for (let frame = 0; frame < 20; frame++) {
        pen.fillStyle = `rgb(${frame * 10}, 100, 200)`;
        pen.fillRect(0, 0, 64, 48);
        await new Promise(done => setTimeout(done, 40));
    }
    recorder.stop();
    await stopped;
    return [...new Uint8Array(await new Blob(pieces).arrayBuffer())];
})()"#,
    );
    let video: Vec<u8> = made.as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8).collect();
    assert!(video.len() > 100, "{} bytes", video.len());
    fs::write(folder.path().join("film.webm"), &video).unwrap();
    let played = browser.value(
        r#"new Promise((done, failed) => {
    const it = document.getElementById("it");
    it.onended = () => done([it.videoWidth, it.videoHeight].join());
    it.onerror = () => failed(new Error(it.error.message));
    it.src = "film.webm";
    it.play().catch(failed);
})"#,
    );
    assert_eq!(played, "64,48");
    let responses = browser.responses();
    let parts: Vec<_> = responses.iter().filter(|(path, ..)| path == "/film.webm").collect();
    assert!(!parts.is_empty() && parts.iter().all(|(_, status, _)| *status == 206), "{parts:?}");
    assert!(parts.iter().all(|(.., fields)| fields["content-type"] == "video/webm"), "{parts:?}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    drop(browser);
    server.stops_well();
}
