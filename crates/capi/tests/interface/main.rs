//! The functions of cke.h, called as C calls them.

mod c;
mod flags;
mod misuse;
mod pools;
mod products;
