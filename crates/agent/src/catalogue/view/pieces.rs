//! A sorted set that is cheap to copy and cheap to change a little: it lies in pieces, which copies share until one of
//! them changes. Nothing is known here of what it holds.
//!
//! It costs a pointer for each piece to copy it, and one piece to change it. That is what a view needs, of which there is
//! a new one for each change: a balanced tree would be copied whole, and one that shares its nodes is a crate of its own.

use std::cmp::Ordering;
use std::sync::Arc;

/// The most things in a piece. Small enough to be copied for each change, and large enough that there are few.
const LARGEST: usize = 256;
/// A piece of fewer is put to the one before it.
const SMALLEST: usize = LARGEST / 4;

/// A sorted set.
#[derive(Clone, Debug)]
pub(super) struct Pieces<T> {
    /// None is empty, and each holds lesser ones than the next.
    pieces: Vec<Arc<Vec<T>>>,
}

impl<T> Default for Pieces<T> {
    fn default() -> Self {
        Self { pieces: Vec::new() }
    }
}

impl<T: Ord + Clone> Pieces<T> {
    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flat_map(|piece| piece.iter())
    }

    /// Those that are `Equal`; those before them are `Less`, and those behind `Greater`.
    pub(super) fn range(&self, order: impl Fn(&T) -> Ordering) -> impl Iterator<Item = &T> {
        let piece = self.pieces.partition_point(|piece| is_before(piece, &order));
        let begin = self.pieces.get(piece).map_or(0, |piece| piece.partition_point(|one| order(one).is_lt()));
        let those = self.pieces.iter().skip(piece).flat_map(|piece| piece.iter()).skip(begin);
        those.take_while(move |one| order(one).is_eq())
    }

    /// Puts one in, in the place of an equal one.
    pub(super) fn insert(&mut self, one: T) {
        let piece = self.pieces.partition_point(|piece| is_before(piece, |other| other.cmp(&one)));
        let last = self.pieces.len().saturating_sub(1);
        let Some(shared) = self.pieces.get_mut(piece.min(last)) else {
            self.pieces.push(Arc::new(vec![one]));
            return;
        };
        let things = Arc::make_mut(shared);
        match things.binary_search(&one) {
            Ok(place) => things[place] = one,
            Err(place) => things.insert(place, one),
        }
        if things.len() > LARGEST {
            let upper = things.split_off(LARGEST / 2);
            self.pieces.insert(piece.min(last) + 1, Arc::new(upper));
        }
    }

    /// Takes an equal one out.
    pub(super) fn remove(&mut self, one: &T) {
        let piece = self.pieces.partition_point(|piece| is_before(piece, |other| other.cmp(one)));
        let Some(shared) = self.pieces.get_mut(piece) else { return };
        let Ok(place) = shared.binary_search(one) else { return };
        let things = Arc::make_mut(shared);
        things.remove(place);
        if things.len() < SMALLEST {
            self.unite(piece);
        }
    }

    /// Puts a small piece to the one before it, if both are one piece then.
    fn unite(&mut self, piece: usize) {
        let small = self.pieces.remove(piece);
        let before = piece.checked_sub(1).and_then(|before| self.pieces.get_mut(before));
        match before.filter(|before| before.len() + small.len() <= LARGEST) {
            Some(before) => Arc::make_mut(before).extend(small.iter().cloned()),
            None if small.is_empty() => {}
            None => self.pieces.insert(piece, small),
        }
    }
}

/// Whether all of a piece are less.
fn is_before<T>(piece: &[T], order: impl Fn(&T) -> Ordering) -> bool {
    piece.last().is_some_and(|last| order(last).is_lt())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn all(things: impl IntoIterator<Item = u32>) -> Pieces<u32> {
        let mut pieces = Pieces::default();
        things.into_iter().for_each(|one| pieces.insert(one));
        pieces
    }

    proptest! {
        #[test]
        fn it_holds_what_a_set_would_hold_and_a_copy_does_not_change(
            first in prop::collection::vec(0..2000_u32, 0..1500),
            changes in prop::collection::vec((any::<bool>(), 0..2000_u32), 0..1500),
        ) {
            let mut pieces = all(first.iter().copied());
            let mut set: BTreeSet<u32> = first.into_iter().collect();
            let (copy, before) = (pieces.clone(), set.clone());
            for (put, one) in changes {
                if put {
                    pieces.insert(one);
                    set.insert(one);
                } else {
                    pieces.remove(&one);
                    set.remove(&one);
                }
            }
            prop_assert!(pieces.iter().eq(&set));
            prop_assert!(copy.iter().eq(&before));
            prop_assert!(pieces.pieces.iter().all(|piece| (1..=LARGEST).contains(&piece.len())));
            for hundred in 0..20 {
                let found = pieces.range(|one| (one / 100).cmp(&hundred));
                prop_assert!(found.eq(set.range(hundred * 100..(hundred + 1) * 100)));
            }
        }
    }

    #[test]
    fn a_change_copies_one_piece_and_no_more() {
        let pieces = all(0..10_000);
        let mut changed = pieces.clone();
        changed.remove(&5000);
        changed.insert(5000);
        let shared = pieces.pieces.iter().zip(&changed.pieces).filter(|(one, other)| Arc::ptr_eq(one, other)).count();
        assert_eq!(shared, pieces.pieces.len() - 1);
    }
}
