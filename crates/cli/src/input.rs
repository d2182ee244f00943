//! Reading texts and lists of tokens.
