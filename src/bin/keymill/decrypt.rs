use crate::args::{Arguments, Decrypt};
use crate::failure::Failure;
pub fn run(_: &Arguments, _: &Decrypt) -> Result<(), Failure> {
    unimplemented!()
}
