#!/usr/bin/env python3
"""Asks a web server for everything that Python's own HTTP client can ask for, on one connection: requests.py PORT

The server shows a folder with `index.html` ("the index"), `picture.gif`, and `sub` with an index of its own.
"""

import sys
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from urllib.request import ProxyHandler, build_opener

port = int(sys.argv[1])
connection = HTTPConnection("127.0.0.1", port, timeout=30)
connection.connect()
local = connection.sock.getsockname()


def ask(method, target, body=None, headers={}, **more):
    connection.request(method, target, body, headers, **more)
    response = connection.getresponse()
    return response, response.read()


def check(is_so, *what):
    if not is_so:
        sys.exit(f"not as it should be: {what}")


page, content = ask("GET", "/")
check(page.status == 200 and content == b"the index", page.status, content)
check(page.version == 11 and not page.will_close, page.version)
check(parsedate_to_datetime(page.headers["Last-Modified"]) <= parsedate_to_datetime(page.headers["Date"]), page.headers)
tag = page.headers["ETag"]

head, content = ask("HEAD", "/")
check(head.status == 200 and content == b"" and head.headers["Content-Length"] == "9", head.headers)
same, content = ask("GET", "/", headers={"If-None-Match": tag})
check(same.status == 304 and content == b"", same.status)
same, content = ask("GET", "/", headers={"If-Modified-Since": page.headers["Last-Modified"]})
check(same.status == 304 and content == b"", same.status)
other, content = ask("GET", "/", headers={"If-Match": '"x"'})
check(other.status == 412, other.status)
part, content = ask("GET", "/", headers={"Range": "bytes=4-"})
check(part.status == 206 and content == b"index" and part.headers["Content-Range"] == "bytes 4-8/9", part.headers)
none, content = ask("GET", "/", headers={"Range": "bytes=9-"})
check(none.status == 416 and none.headers["Content-Range"] == "bytes */9", none.headers)
moved, content = ask("GET", "/sub")
check(moved.status == 301 and moved.headers["Location"] == "/sub/", moved.headers)
missing, content = ask("GET", "/missing")
check(missing.status == 404, missing.status)
options, content = ask("OPTIONS", "*")
check(options.status in (200, 204) and "GET" in options.headers["Allow"], options.headers)
for body, more in ((b"hello", {}), ((b"hel", b"lo"), {"encode_chunked": True}), (None, {})):
    headers = {"Transfer-Encoding": "chunked"} if more else {}
    refused, content = ask("POST", "/", body, headers, **more)
    check(refused.status == 405 and "GET" in refused.headers["Allow"], refused.status)
brewed, content = ask("BREW", "/")
check(brewed.status == 501, brewed.status)
page, content = ask("GET", "/")
check(content == b"the index", content)
check(connection.sock.getsockname() == local, "all on one connection")

# The one that people use follows a redirect by itself.
with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/sub", timeout=30) as page:
    check(page.read() == b"the index of sub" and page.url.endswith("/sub/"), page.url)
print("all as it should be")
