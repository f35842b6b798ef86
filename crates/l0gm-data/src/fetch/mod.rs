//! Downloads one file from one address, complete and verified or not at all. A partial download stays under
//! `<name>.part`, and the next attempt requests the rest. A host that cannot be reached is tried only once
//! (docs/data.md: without a network, the twin is used).

mod hub_model;
mod lock;
mod original;
mod progress;
mod sources;
mod unpack;

pub(crate) use hub_model::fetch_hub_model;
pub(crate) use original::convert_local;
pub(crate) use sources::fetch_entry;

use crate::checksum::hex;
use crate::error::io;
use crate::{Error, Result};
use progress::Progress;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The kind of a failure, which decides whether a twin may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// There is no network, or the host does not respond.
    Unreachable,
    /// The host responds, but not with the file.
    Refused,
    /// The host responds that there is no such file.
    Absent,
    /// The connection broke; the partial download is kept.
    Interrupted,
    /// The bytes are wrong; they are removed.
    Corrupt,
}

/// Why a fetch failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The address or its host is at fault.
    Remote {
        kind: Kind,
        url: String,
        message: String,
    },
    /// The folder is at fault.
    Local(Error),
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Failure::Local(e)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Remote { url, message, .. } => Error::Download { url, message },
            Failure::Local(e) => e,
        }
    }
}

fn remote(kind: Kind, url: &str, message: impl Into<String>) -> Failure {
    Failure::Remote {
        kind,
        url: url.to_owned(),
        message: message.into(),
    }
}

/// Downloads files. Clones share what they learned about hosts.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher {
    agent: ureq::Agent,
    /// Hosts that could not be reached, with the reason.
    unreachable: Arc<Mutex<BTreeMap<String, String>>>,
    bars: bool,
    /// How often one call resumes a broken connection.
    attempts: usize,
}

impl Fetcher {
    /// `bars` says whether to show progress bars rather than plain lines.
    pub(crate) fn new(bars: bool) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_resolve(Some(Duration::from_secs(5)))
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_recv_response(Some(Duration::from_secs(30)))
            .timeout_per_read(Some(Duration::from_secs(60)))
            .max_redirects(8)
            .http_status_as_error(false)
            // With a compressed transfer, byte ranges would have no meaning.
            .accept_encoding("identity")
            .user_agent(concat!("l0gm-data/", env!("CARGO_PKG_VERSION")));
        Fetcher {
            agent: config.build().new_agent(),
            unreachable: Arc::default(),
            bars,
            attempts: 3,
        }
    }

    /// Fetches `url` to `target` and returns its sha256.
    ///
    /// # Errors
    /// Fails as [`Kind`] describes. Only a complete, verified file ever has the final name.
    pub(crate) fn file(
        &self,
        url: &str,
        target: &Path,
        expected: Option<&str>,
    ) -> Result<String, Failure> {
        let host = host_of(url);
        let lock = || {
            self.unreachable
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(why) = lock().get(&host) {
            return Err(remote(Kind::Unreachable, url, why.clone()));
        }
        let mut outcome = self.attempt(url, target, expected);
        for _ in 1..self.attempts {
            // Try again at once only if the connection broke after it had begun.
            if !matches!(
                outcome,
                Err(Failure::Remote {
                    kind: Kind::Interrupted,
                    ..
                })
            ) {
                break;
            }
            tracing::warn!("{url}: the connection broke, going on where it stopped");
            outcome = self.attempt(url, target, expected);
        }
        if let Err(Failure::Remote {
            kind: Kind::Unreachable,
            message,
            ..
        }) = &outcome
        {
            lock().insert(host, message.clone());
        }
        outcome
    }

    fn attempt(&self, url: &str, target: &Path, expected: Option<&str>) -> Result<String, Failure> {
        let part = part_of(target);
        let (mut hasher, have) = hash_part(&part)?;
        let mut request = self.agent.get(url);
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        let response = request.call().map_err(|e| classify(url, e))?;
        let status = response.status().as_u16();
        let (mut file, start) = match status {
            200 => {
                // The host sent the whole file instead of the requested range, so start again.
                hasher = Sha256::new();
                (File::create(&part).map_err(io(&part, "cannot create"))?, 0)
            }
            206 if continues(&response, have) => (
                File::options()
                    .append(true)
                    .open(&part)
                    .map_err(io(&part, "cannot open"))?,
                have,
            ),
            206 | 416 => {
                // The partial download does not match the host's present file.
                remove(&part)?;
                return Err(remote(
                    Kind::Interrupted,
                    url,
                    "the file has changed; run again",
                ));
            }
            404 | 410 => {
                let message = format!("HTTP {status}: the file is not there any more");
                return Err(remote(Kind::Absent, url, message));
            }
            _ => {
                return Err(remote(
                    Kind::Refused,
                    url,
                    format!("the host answers HTTP {status}"),
                ));
            }
        };
        let length = header(&response, "content-length").and_then(|v| v.parse::<u64>().ok());
        let total = length.map(|n| n + start);
        let mut progress = Progress::new(target, start, total, self.bars);
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0u8; 1 << 16];
        let mut done = start;
        loop {
            match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    file.write_all(&buffer[..n])
                        .map_err(io(&part, "cannot write (is the disk full?)"))?;
                    hasher.update(&buffer[..n]);
                    done += n as u64;
                    progress.at(done);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(interrupted(url, &part, done, total, &e.to_string())),
            }
        }
        if total.is_some_and(|t| done < t) {
            return Err(interrupted(
                url,
                &part,
                done,
                total,
                "the connection closed early",
            ));
        }
        file.sync_all()
            .map_err(io(&part, "cannot write (is the disk full?)"))?;
        let sum = hex(&hasher.finalize());
        if let Some(expected) = expected.filter(|e| *e != sum) {
            remove(&part)?;
            let message = format!(
                "wrong checksum: expected sha256 {expected}, found {sum}; removed. Try again, or get \
                 the file by hand"
            );
            return Err(remote(Kind::Corrupt, url, message));
        }
        let gzip = target.extension().is_some_and(|e| e == "gz");
        if let Some(why) = if gzip {
            unpack::gzip_fault(&part)?
        } else {
            None
        } {
            remove(&part)?;
            let message = format!("not a whole gzip file ({why}); removed. Try again");
            return Err(remote(Kind::Corrupt, url, message));
        }
        std::fs::rename(&part, target).map_err(io(target, "cannot put the file in place"))?;
        Ok(sum)
    }
}

/// The file that holds a partial download.
fn part_of(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    target.with_file_name(name)
}

/// The hash and the length of the partial download.
fn hash_part(part: &Path) -> Result<(Sha256, u64)> {
    let mut hasher = Sha256::new();
    let mut length = 0;
    let mut file = match File::open(part) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok((hasher, 0)),
        Err(e) => return Err(io(part, "cannot open")(e)),
    };
    let mut buffer = vec![0u8; 1 << 18];
    loop {
        let n = file.read(&mut buffer).map_err(io(part, "cannot read"))?;
        if n == 0 {
            return Ok((hasher, length));
        }
        hasher.update(&buffer[..n]);
        length += n as u64;
    }
}

fn header<'a>(response: &'a ureq::http::Response<ureq::Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name).and_then(|v| v.to_str().ok())
}

/// Whether a partial response begins where our part ends.
fn continues(response: &ureq::http::Response<ureq::Body>, have: u64) -> bool {
    let range = header(response, "content-range").unwrap_or_default();
    range.strip_prefix(&format!("bytes {have}-")).is_some()
}

fn remove(part: &Path) -> Result<()> {
    std::fs::remove_file(part).map_err(io(part, "cannot remove"))
}

fn interrupted(url: &str, part: &Path, done: u64, total: Option<u64>, why: &str) -> Failure {
    let of = total.map(|t| format!(" of {t}")).unwrap_or_default();
    let message = format!(
        "interrupted after {done}{of} bytes ({why}); they are kept in {}: run the same command again \
         to go on",
        part.display()
    );
    remote(Kind::Interrupted, url, message)
}

/// The failure that an error of the HTTP client means.
fn classify(url: &str, error: ureq::Error) -> Failure {
    use ureq::Error as E;
    match error {
        E::HostNotFound => remote(
            Kind::Unreachable,
            url,
            "no network: the host's name is not found",
        ),
        E::ConnectionFailed | E::ConnectProxyFailed(_) => {
            remote(Kind::Unreachable, url, format!("no network: {error}"))
        }
        E::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => {
            remote(Kind::Unreachable, url, format!("no network: {error}"))
        }
        E::TooManyRedirects => remote(
            Kind::Refused,
            url,
            "redirected without end; check the address",
        ),
        E::Timeout(_) => remote(
            Kind::Refused,
            url,
            format!("the host does not answer ({error})"),
        ),
        E::Io(e)
            if matches!(
                e.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
            ) =>
        {
            remote(
                Kind::Interrupted,
                url,
                format!("the connection broke ({e}); run again"),
            )
        }
        E::Io(e) => remote(Kind::Unreachable, url, format!("no network: {e}")),
        other => remote(Kind::Refused, url, other.to_string()),
    }
}

/// The host and port of an address.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
pub(crate) mod server;
#[cfg(test)]
mod tests;
