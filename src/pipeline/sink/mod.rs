//! Stage 5: where wrapped key pairs go.

pub mod arrow;
pub mod json_lines;
