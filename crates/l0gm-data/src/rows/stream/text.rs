//! The text of a file, of which only a window is held.

use super::super::encoding::{Decoder, Encoding};
use super::super::options::{BYTES, Caps, allowed};
use super::super::{Error, Result};
use super::input::Reader;

/// A window of a file's text.
pub(super) struct Text {
    name: String,
    reader: Reader,
    /// Found from the first bytes.
    decoder: Option<Decoder>,
    /// Bytes that are not decoded yet.
    bytes: Vec<u8>,
    text: String,
    block: usize,
    ended: bool,
}

impl Text {
    pub(super) fn new(name: &str, reader: Reader, block: usize) -> Self {
        Self {
            name: name.to_owned(),
            reader,
            decoder: None,
            bytes: Vec::new(),
            text: String::new(),
            block,
            ended: false,
        }
    }

    /// The window.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the window reaches the end of the file.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Drops the first `done` bytes of the window, and reads at least a block behind it. A record that is longer than
    /// the window is split again from its beginning each time, so the window grows by its own length.
    pub(super) fn next(&mut self, done: usize) -> Result<()> {
        let least = self.block.max(self.text.len() - done);
        self.more(done, least)
    }

    /// Like [`next`](Self::next), with at least `least` bytes.
    pub(super) fn more(&mut self, done: usize, least: usize) -> Result<()> {
        self.text.drain(..done);
        self.ended = self.reader.read(&self.name, least, &mut self.bytes)?;
        if self.decoder.is_none() {
            // A mark has up to four bytes.
            while !self.ended && self.bytes.len() < 4 {
                self.ended = self.reader.read(&self.name, 4, &mut self.bytes)?;
            }
            let encoding = Encoding::find(&self.name, &self.bytes)?;
            self.bytes.drain(..encoding.mark());
            self.decoder = Some(Decoder::new(encoding));
        }
        if let Some(decoder) = &mut self.decoder {
            decoder.decode(&self.name, &mut self.bytes, self.ended, &mut self.text)?;
        }
        Ok(())
    }

    /// All of the text, which may be as long as the limit says.
    pub(super) fn whole(mut self, caps: &Caps) -> Result<String> {
        while !self.ended {
            if self.text.len() as u64 > caps.bytes {
                let allowed = allowed(caps.bytes, "bytes", BYTES);
                return Err(Error::file(&self.name, format!("has more than {allowed}")));
            }
            let least = self.block;
            self.more(0, least)?;
        }
        Ok(self.text)
    }
}
