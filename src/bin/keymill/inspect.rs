use crate::args::{Arguments, Inspect};
use crate::failure::Failure;
pub fn run(_: &Arguments, _: &Inspect) -> Result<(), Failure> {
    unimplemented!()
}
