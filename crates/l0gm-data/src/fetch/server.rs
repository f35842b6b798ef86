//! A small HTTP server on loopback for the downloader's tests.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::{Arc, Mutex};

/// The server's response to a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The body, or its requested range.
    Body(Vec<u8>),
    /// States the full length, and closes the connection after this many bytes.
    Cut(Vec<u8>, usize),
    /// Only a status line.
    Status(u16),
    /// A redirect to itself.
    Redirect,
}

/// Serves until the test's process ends. Returns the address and the `Range` headers of the requests.
pub(crate) fn serve(
    answer: impl Fn(usize) -> Answer + Send + 'static,
) -> (String, Arc<Mutex<Vec<Option<u64>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut range = None;
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                let line = line.unwrap_or_default().to_lowercase();
                if let Some(rest) = line.strip_prefix("range: bytes=") {
                    range = rest.trim_end_matches('-').parse::<u64>().ok();
                }
                if line.is_empty() {
                    break;
                }
            }
            let count = log.lock().unwrap().len();
            log.lock().unwrap().push(range);
            let _ = stream.write_all(&reply(answer(count), range));
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    (url, seen)
}

fn reply(answer: Answer, range: Option<u64>) -> Vec<u8> {
    let (body, sent) = match answer {
        Answer::Status(code) => {
            return format!("HTTP/1.1 {code} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .into();
        }
        Answer::Redirect => {
            return "HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".into();
        }
        Answer::Cut(body, n) => (body, Some(n)),
        Answer::Body(body) => (body, None),
    };
    let start = range.unwrap_or(0) as usize;
    let rest = &body[start..];
    let status = match range {
        Some(_) => format!(
            "206 Partial Content\r\ncontent-range: bytes {start}-{}/{}",
            body.len() - 1,
            body.len()
        ),
        None => "200 OK".to_owned(),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        rest.len()
    );
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&rest[..sent.unwrap_or(rest.len())]);
    bytes
}
