//! From the bytes of a file to UTF-8 text with plain line ends, a piece at a time.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use super::error::FileError;

/// Longest line accepted, in bytes: descriptions of several pages fit.
pub(super) const LINE_BYTES_MAX: u64 = 256 * 1024;

/// Bytes read at once.
pub(super) const PIECE_BYTES: usize = 64 * 1024;

const UTF8_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// Why reading stopped, where it was not the system.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    #[error("a line is too long")]
    LineTooLong,
    #[error("it ends within a character, or has none there")]
    NotUtf16,
}

/// The text of a file: unpacked, without a mark, its line ends plain line feeds.
pub(super) type Text = PlainEnds<Box<dyn Read>>;

/// Opens a file: gzip (of several members, too), UTF-8 with or without a mark, UTF-16 with one.
pub(super) fn text(file: Box<dyn Read>) -> Result<Text, FileError> {
    let unread = |source| FileError::Unread { line: 0, source };
    let (start, file) = begin(file, 2).map_err(unread)?;
    let unpacked: Box<dyn Read> = if start == [0x1F, 0x8B] {
        Box::new(MultiGzDecoder::new(BufReader::with_capacity(PIECE_BYTES, file)))
    } else {
        Box::new(file)
    };
    let (start, unpacked) = begin(unpacked, 3).map_err(unread)?;
    let plain: Box<dyn Read> = match start.as_slice() {
        [] => return Err(FileError::Empty),
        [0xFF, 0xFE, ..] => Box::new(Utf16::new(unpacked, u16::from_le_bytes)),
        [0xFE, 0xFF, ..] => Box::new(Utf16::new(unpacked, u16::from_be_bytes)),
        mark if mark == UTF8_MARK => {
            let mut unpacked = unpacked;
            unpacked.read_exact(&mut [0; 3]).map_err(unread)?;
            Box::new(unpacked)
        }
        _ => Box::new(unpacked),
    };
    Ok(PlainEnds::new(plain))
}

type Begun = io::Chain<Cursor<Vec<u8>>, Box<dyn Read>>;

/// The first bytes of a reader, and the reader from its beginning.
fn begin(mut file: impl Read + 'static, bytes: u64) -> io::Result<(Vec<u8>, Begun)> {
    let mut start = Vec::new();
    file.by_ref().take(bytes).read_to_end(&mut start)?;
    let rest: Box<dyn Read> = Box::new(file);
    Ok((start.clone(), Cursor::new(start).chain(rest)))
}

/// UTF-16 as UTF-8.
struct Utf16<R> {
    file: BufReader<R>,
    unit: fn([u8; 2]) -> u16,
    /// The first half of a character that takes two.
    half: Option<u16>,
    is_begun: bool,
    ready: Cursor<Vec<u8>>,
}

impl<R: Read> Utf16<R> {
    fn new(file: R, unit: fn([u8; 2]) -> u16) -> Self {
        let file = BufReader::with_capacity(PIECE_BYTES, file);
        Self { file, unit, half: None, is_begun: false, ready: Cursor::default() }
    }

    fn refill(&mut self) -> io::Result<()> {
        let mut piece = Vec::new();
        let limit = u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX);
        self.file.by_ref().take(limit).read_to_end(&mut piece)?;
        let broken = || io::Error::new(io::ErrorKind::InvalidData, Stopped::NotUtf16);
        let (pairs, odd) = piece.as_chunks::<2>();
        let is_end = pairs.is_empty();
        if !odd.is_empty() || (is_end && self.half.is_some()) {
            return Err(broken());
        }
        let mut units: Vec<u16> = self.half.take().into_iter().collect();
        units.extend(pairs.iter().map(|pair| (self.unit)(*pair)));
        if !std::mem::replace(&mut self.is_begun, true) && units.first() == Some(&0xFEFF) {
            units.remove(0);
        }
        self.half = units.pop_if(|unit| (0xD800..0xDC00).contains(unit));
        let text = char::decode_utf16(units).collect::<Result<String, _>>();
        self.ready = Cursor::new(text.map_err(|_| broken())?.into_bytes());
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // A piece may hold the mark, or half a character, alone.
        for _ in 0..2 {
            let read = self.ready.read(out)?;
            if 0 < read {
                return Ok(read);
            }
            self.refill()?;
        }
        self.ready.read(out)
    }
}

/// Makes every line end a line feed, ends the last line, and stops at a line that never ends.
pub(super) struct PlainEnds<R> {
    file: BufReader<R>,
    /// The last byte was a carriage return, which stands there as a line feed.
    after_return: bool,
    is_ended: bool,
    passed: u64,
    /// How many bytes belong to lines that are done.
    done: Rc<Cell<u64>>,
}

impl<R: Read> PlainEnds<R> {
    fn new(file: R) -> Self {
        let file = BufReader::with_capacity(PIECE_BYTES, file);
        let done = Rc::new(Cell::new(0));
        Self { file, after_return: false, is_ended: true, passed: 0, done }
    }

    /// To be told, after each line, how many bytes are done.
    pub(super) fn done(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.done)
    }

    /// Copies text up to the next carriage return; returns how much was taken and how much was given.
    fn copy(&mut self, out: &mut [u8]) -> io::Result<(usize, usize)> {
        let text = self.file.fill_buf()?;
        let Some(first) = text.first() else {
            if std::mem::replace(&mut self.is_ended, true) {
                return Ok((0, 0));
            }
            return Ok((0, put(out, b"\n")));
        };
        if std::mem::take(&mut self.after_return) && *first == b'\n' {
            return Ok((1, 0));
        }
        if *first == b'\r' {
            self.after_return = true;
            self.is_ended = true;
            return Ok((1, put(out, b"\n")));
        }
        let plain = text.get(..text.len().min(out.len())).unwrap_or_default();
        // Most files have none, which is quickly seen.
        let returns = if plain.contains(&b'\r') { plain } else { &[] };
        let end = returns.iter().position(|byte| *byte == b'\r').unwrap_or(plain.len());
        let plain = plain.get(..end).unwrap_or_default();
        self.is_ended = plain.last() == Some(&b'\n');
        Ok((plain.len(), put(out, plain)))
    }
}

fn put(out: &mut [u8], text: &[u8]) -> usize {
    let Some(place) = out.get_mut(..text.len()) else { return 0 };
    place.copy_from_slice(text);
    text.len()
}

impl<R: Read> Read for PlainEnds<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let (taken, given) = self.copy(out)?;
            self.file.consume(taken);
            if given == 0 && taken != 0 {
                continue;
            }
            self.passed = self.passed.saturating_add(u64::try_from(given).unwrap_or(u64::MAX));
            // What was read ahead is no part of the line.
            let ahead = u64::try_from(out.len()).unwrap_or(u64::MAX);
            let open = self.passed.saturating_sub(self.done.get());
            if LINE_BYTES_MAX.saturating_add(ahead) < open {
                return Err(io::Error::other(Stopped::LineTooLong));
            }
            return Ok(given);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn read(bytes: &[u8]) -> String {
        let mut plain = String::new();
        text(Box::new(Cursor::new(bytes.to_vec()))).unwrap().read_to_string(&mut plain).unwrap();
        plain
    }

    fn packed(text: &str) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn every_form_of_a_file_is_the_same_text() {
        let wanted = "a,\u{e9}\n\u{1F600},2\n";
        let windows = wanted.replace('\n', "\r\n");
        assert_eq!(read(wanted.as_bytes()), wanted);
        assert_eq!(read(wanted.trim_end().as_bytes()), wanted, "the last line is ended");
        assert_eq!(read(windows.as_bytes()), wanted);
        assert_eq!(read(wanted.replace('\n', "\r").as_bytes()), wanted);
        assert_eq!(read(&[UTF8_MARK, windows.as_bytes()].concat()), wanted);
        let little: Vec<u8> =
            format!("\u{feff}{windows}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&little), wanted);
        let big: Vec<u8> =
            format!("\u{feff}{windows}").encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(read(&big), wanted);
        let (first, second) = windows.split_at(4);
        assert_eq!(read(&[packed(first), packed(second)].concat()), wanted);
    }

    #[test]
    fn a_character_of_two_halves_may_lie_across_two_pieces() {
        let wanted = format!("{}\u{1F600}\n", "x".repeat(PIECE_BYTES / 2 - 2));
        let little: Vec<u8> =
            format!("\u{feff}{wanted}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&little), wanted);
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let endless = "x".repeat(2 * 256 * 1024);
        let mut text = text(Box::new(Cursor::new(endless.into_bytes()))).unwrap();
        let err = text.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(err.to_string(), "a line is too long");
    }
}
