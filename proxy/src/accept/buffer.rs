//! Buffers that exist only while octets are in them: each thread keeps a stack of them, the hottest on top.

use std::cell::RefCell;
use std::rc::Rc;

/// A thread's stack of buffers of one size.
#[derive(Debug)]
pub(crate) struct Shelf {
    size: usize,
    keep: usize,
    kept: RefCell<Vec<Vec<u8>>>,
}

impl Shelf {
    /// Buffers of `size` octets, at most `keep` of them kept while unused.
    pub(crate) fn new(size: usize, keep: usize) -> Rc<Self> {
        Rc::new(Self { size, keep, kept: RefCell::new(Vec::new()) })
    }

    /// An empty buffer. It takes memory, that which was used last, when something is to be read to it.
    pub(crate) fn take(self: &Rc<Self>) -> Buffer {
        Buffer { data: Vec::new(), start: 0, end: 0, home: Rc::clone(self) }
    }

    fn lend(&self) -> Vec<u8> {
        self.kept.borrow_mut().pop().unwrap_or_else(|| vec![0; self.size])
    }

    fn keep(&self, data: Vec<u8>) {
        let mut kept = self.kept.borrow_mut();
        if data.len() == self.size && kept.len() < self.keep {
            kept.push(data);
        }
    }

    /// Lets go of all that is not in use.
    pub(crate) fn clear(&self) {
        self.kept.take();
    }
}

/// Octets between two marks in a stretch of memory, which goes back to its [`Shelf`] when it is not needed.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// Empty while at rest.
    data: Vec<u8>,
    start: usize,
    end: usize,
    home: Rc<Shelf>,
}

impl Buffer {
    /// The octets in it.
    pub(crate) fn filled(&self) -> &[u8] {
        self.data.get(self.start..self.end).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Where the next octets can be read to.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.rouse();
        &mut self.data[self.end..]
    }

    /// Gives the memory back while nothing is in it: to be called before a wait. Room in front stays reserved.
    pub(crate) fn rest(&mut self) {
        if self.is_empty() && !self.data.is_empty() {
            self.home.keep(std::mem::take(&mut self.data));
            // What grew wakes up smaller.
            if self.start >= self.home.size {
                self.reserve_front(0);
            }
        }
    }

    /// Moves what is in it to memory from `snug`, where that is smaller and large enough: to be called before a wait for which
    /// the octets must stay.
    pub(crate) fn settle(&mut self, snug: &Rc<Shelf>) {
        if self.data.len() <= snug.size || self.len() > snug.size {
            return;
        }
        let mut data = snug.lend();
        data[..self.len()].copy_from_slice(self.filled());
        self.home.keep(std::mem::replace(&mut self.data, data));
        self.home = Rc::clone(snug);
        self.end = self.len();
        self.start = 0;
    }

    fn rouse(&mut self) {
        if self.data.is_empty() {
            self.data = self.home.lend();
        }
    }

    /// `n` octets were read to [`Buffer::space`].
    pub(crate) fn extend(&mut self, n: usize) {
        self.end = (self.end + n).min(self.data.len());
    }

    /// The first `n` octets are done with.
    pub(crate) fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Forgets everything after the first `n` octets.
    pub(crate) fn truncate(&mut self, n: usize) {
        self.end = self.end.min(self.start + n);
    }

    /// Empties it and leaves `room` octets in front, so that something can be laid before what is read next.
    pub(crate) fn reserve_front(&mut self, room: usize) {
        self.start = room.min(self.home.size);
        self.end = self.start;
    }

    /// Replaces the first `old` octets by `new`. In place where [`Buffer::reserve_front`] left room, which is the usual case;
    /// else what follows them moves back.
    pub(crate) fn replace_front(&mut self, old: usize, new: &[u8]) {
        let body = self.start + old;
        let start = body.checked_sub(new.len()).unwrap_or_else(|| {
            self.data.splice(body..body, std::iter::repeat_n(0, new.len() - body));
            self.end += new.len() - body;
            0
        });
        self.data[start..start + new.len()].copy_from_slice(new);
        self.start = start;
    }

    /// Makes sure that at least `wanted` octets of space follow, moving or growing, but never beyond `limit` octets in all.
    ///
    /// Returns false when the limit does not allow any space.
    pub(crate) fn make_space(&mut self, wanted: usize, limit: usize) -> bool {
        self.rouse();
        if self.data.len() - self.end >= wanted {
            return true;
        }
        if self.start > 0 {
            self.data.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.data.len() - self.end < wanted && self.data.len() < limit {
            let size = (self.data.len() * 2).max(self.end + wanted).min(limit.max(self.end));
            self.data.resize(size, 0);
        }
        self.end < self.data.len()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.home.keep(std::mem::take(&mut self.data));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(shelf: &Rc<Shelf>, octets: &[u8]) -> Buffer {
        let mut buffer = shelf.take();
        buffer.space()[..octets.len()].copy_from_slice(octets);
        buffer.extend(octets.len());
        buffer
    }

    #[test]
    fn the_last_buffer_used_is_the_next_one_taken() {
        let shelf = Shelf::new(16, 1);
        let first = filled(&shelf, b"abc");
        drop(first);
        assert_eq!(shelf.kept.borrow().len(), 1);
        assert!(shelf.take().is_empty(), "an old content must not show");
    }

    #[test]
    fn a_cleared_shelf_keeps_nothing_and_takes_back_what_is_in_use() {
        let shelf = Shelf::new(16, 2);
        let used = filled(&shelf, b"abc");
        drop(filled(&shelf, b"def"));
        shelf.clear();
        assert_eq!((shelf.kept.borrow().capacity(), used.filled()), (0, &b"abc"[..]));
        drop(used);
        assert_eq!(shelf.kept.borrow().len(), 1);
    }

    #[test]
    fn a_buffer_at_rest_has_no_memory_and_keeps_its_room_in_front() {
        let shelf = Shelf::new(16, 1);
        let mut buffer = shelf.take();
        buffer.reserve_front(4);
        buffer.rest();
        assert!(buffer.filled().is_empty() && buffer.data.is_empty());
        assert_eq!(buffer.space().len(), 12);
        buffer.rest();
        assert_eq!((buffer.data.len(), shelf.kept.borrow().len()), (0, 1));
        buffer.space()[..3].copy_from_slice(b"abc");
        buffer.extend(3);
        buffer.rest();
        assert_eq!((buffer.filled(), shelf.kept.borrow().len()), (&b"abc"[..], 0));
    }

    #[test]
    fn what_must_stay_during_a_wait_moves_to_memory_of_its_size() {
        let (roomy, snug) = (Shelf::new(16, 1), Shelf::new(4, 1));
        let mut buffer = filled(&roomy, b"abcdef");
        buffer.settle(&snug);
        assert_eq!((buffer.data.len(), roomy.kept.borrow().len()), (16, 0), "it does not fit");
        buffer.consume(2);
        buffer.settle(&snug);
        assert_eq!((buffer.filled(), buffer.data.len(), roomy.kept.borrow().len()), (&b"cdef"[..], 4, 1));
        drop(buffer);
        assert_eq!(snug.kept.borrow().len(), 1);
    }

    #[test]
    fn space_is_made_by_moving_first_and_growing_then() {
        let shelf = Shelf::new(8, 1);
        let mut buffer = filled(&shelf, b"abcdefgh");
        buffer.consume(6);
        assert!(buffer.make_space(6, 8) && buffer.filled() == b"gh" && buffer.space().len() == 6);
        buffer.extend(6);
        assert!(!buffer.make_space(1, 8));
        assert!(buffer.make_space(1, 32) && buffer.len() == 8);
        drop(buffer);
        assert!(shelf.kept.borrow().is_empty(), "a grown buffer is not kept");
    }

    #[test]
    fn a_head_can_be_replaced_in_front_of_a_body() {
        let shelf = Shelf::new(32, 1);
        let mut buffer = shelf.take();
        buffer.reserve_front(4);
        buffer.space()[..8].copy_from_slice(b"headbody");
        buffer.extend(8);
        buffer.replace_front(4, b"longhead");
        assert_eq!(buffer.filled(), b"longheadbody");
        buffer.replace_front(8, b"a head that does not fit in front");
        assert_eq!(buffer.filled(), b"a head that does not fit in frontbody");
    }
}
