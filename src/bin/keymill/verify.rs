use crate::args::{Arguments, Verify};
use crate::failure::Failure;
pub fn run(_: &Arguments, _: &Verify) -> Result<(), Failure> {
    unimplemented!()
}
