//! A few things in a place of fixed size, so that an answer reserves no memory.

/// The most that there can be.
pub const MOST: usize = 16;

/// At most [`MOST`] things, in an order.
#[derive(Clone, Debug)]
pub struct Few<T> {
    things: [Option<T>; MOST],
    count: usize,
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { things: [const { None }; MOST], count: 0 }
    }
}

impl<T> Few<T> {
    /// Adds one at the end; where all places are taken, it is left out.
    pub fn push(&mut self, thing: T) {
        self.insert(self.count, MOST, thing);
    }

    /// Puts one at a place; those from there on move back, and beyond `most` they fall off.
    pub fn insert(&mut self, place: usize, most: usize, thing: T) {
        let most = most.min(MOST);
        if place >= most {
            return;
        }
        self.count = (self.count + 1).min(most);
        if let Some(moved) = self.things.get_mut(place..self.count) {
            moved.rotate_right(1);
            if let Some(first) = moved.first_mut() {
                *first = Some(thing);
            }
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.things.iter().take(self.count).flatten()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}
