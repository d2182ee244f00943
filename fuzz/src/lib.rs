//! What fuzz targets share: edits of valid files, and the use of a model that was accepted.

pub mod edit;
pub mod model;
