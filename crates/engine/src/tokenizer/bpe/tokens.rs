//! Tokens by id and by text.

use std::hash::{BuildHasher, RandomState};

/// The texts of tokens, one after the other, and a hash table from them to ids.
#[derive(Debug, Clone)]
pub(in crate::tokenizer) struct Tokens {
    text: String,
    /// Where the token of each id lies in `text`; `None` for ids without one.
    places: Vec<Option<Place>>,
    count: usize,
    slots: Vec<Slot>,
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    start: u32,
    bytes: u32,
}

/// A place of the table, free if there is no id in it. The hash spares most looks at other tokens' texts.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u32,
    /// Id plus one.
    id: u32,
}

/// Why a token is not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tokenizer) enum Taken {
    Text,
    Id,
}

impl Tokens {
    /// Room for `count` tokens whose texts take `bytes`, less than 4 GiB.
    pub(in crate::tokenizer) fn with_capacity(count: usize, bytes: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            places: Vec::with_capacity(count),
            count: 0,
            // At most half of it is used.
            slots: vec![Slot::default(); (2 * count).next_power_of_two()],
            hasher: RandomState::new(),
        }
    }

    /// # Panics
    /// Panics if there are more tokens or bytes than there is room for.
    pub(in crate::tokenizer) fn insert(&mut self, token: &str, id: u32) -> Result<(), Taken> {
        assert!(2 * self.count < self.slots.len(), "wanted at most {} tokens", self.count);
        let hash = self.hash(token);
        let slot = self.slot(token, hash);
        if self.slots[slot].id != 0 {
            return Err(Taken::Text);
        }
        let index = id as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, None);
        }
        if self.places[index].is_some() {
            return Err(Taken::Id);
        }
        let place = |bytes: usize| u32::try_from(bytes).expect("texts of less than 4 GiB");
        self.places[index] = Some(Place { start: place(self.text.len()), bytes: place(token.len()) });
        self.text.push_str(token);
        self.slots[slot] = Slot { hash, id: id + 1 };
        self.count += 1;
        Ok(())
    }

    pub(in crate::tokenizer) fn id(&self, token: &str) -> Option<u32> {
        self.slots[self.slot(token, self.hash(token))].id.checked_sub(1)
    }

    pub(in crate::tokenizer) fn get(&self, id: u32) -> Option<&str> {
        let place = (*self.places.get(id as usize)?)?;
        Some(&self.text[place.start as usize..][..place.bytes as usize])
    }

    /// How many tokens there are.
    pub(in crate::tokenizer) fn len(&self) -> usize {
        self.count
    }

    /// Largest id plus one.
    pub(in crate::tokenizer) fn end(&self) -> usize {
        self.places.len()
    }

    /// All tokens in the order of their ids.
    pub(in crate::tokenizer) fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        (0..self.end() as u32).filter_map(|id| Some((self.get(id)?, id)))
    }

    fn hash(&self, token: &str) -> u32 {
        self.hasher.hash_one(token) as u32
    }

    /// The slot of a token, or the free one where it would be.
    fn slot(&self, token: &str, hash: u32) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.id == 0 || slot.hash == hash && self.get(slot.id - 1) == Some(token) {
                return at;
            }
            at = (at + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_by_id_and_by_text() {
        let mut tokens = Tokens::with_capacity(3, 0);
        for (token, id) in [("b", 7), ("", 0), ("ab", 2)] {
            tokens.insert(token, id).unwrap();
        }
        assert_eq!(tokens.iter().collect::<Vec<_>>(), [("", 0), ("ab", 2), ("b", 7)]);
        assert_eq!((tokens.len(), tokens.end()), (3, 8));
        assert_eq!([tokens.get(1), tokens.get(2), tokens.get(8)], [None, Some("ab"), None]);
        assert_eq!(["ab", "", "a"].map(|token| tokens.id(token)), [Some(2), Some(0), None]);
    }

    #[test]
    fn second_token_of_a_text_or_an_id_is_refused() {
        let mut tokens = Tokens::with_capacity(2, 0);
        tokens.insert("a", 1).unwrap();
        assert_eq!(tokens.insert("a", 2), Err(Taken::Text));
        assert_eq!(tokens.insert("b", 1), Err(Taken::Id));
        assert_eq!(tokens.iter().collect::<Vec<_>>(), [("a", 1)]);
    }

    #[test]
    fn no_tokens_have_a_table() {
        let tokens = Tokens::with_capacity(0, 0);
        assert_eq!((tokens.id("a"), tokens.get(0), tokens.end()), (None, None, 0));
    }
}
