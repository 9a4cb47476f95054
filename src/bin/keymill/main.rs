//! The first door: the command line.

#![expect(
    unreachable_pub,
    reason = "a program has no outside: `pub` is what a file offers the others"
)]

mod alias;
mod args;
mod audit;
mod bench;
mod decrypt;
mod failure;
mod generate;
mod home;
mod init;
mod inspect;
mod key;
mod latencies;
mod output;
mod parts;
mod pool;
mod pools;
mod principal;
mod progress;
mod repair;
mod serve;
mod top;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use args::{Arguments, Command};
use failure::{Code, Failure};

fn main() -> ExitCode {
    if !keymill::sys::secrecy::forbid_dumps() {
        output::say("warning: the kernel does not let core dumps of this process be forbidden");
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // A closed pipe is no reason to complain about.
            let _ = error.print();
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(Code::Usage as u8) };
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Init(init) => init::run(arguments, init),
        Command::Generate(generate) => generate::run(arguments, generate),
        Command::Key(key) => key::run(arguments, key),
        Command::Alias(alias) => alias::run(arguments, alias),
        Command::Pool(pool) => pool::run(arguments, pool),
        Command::Serve(serve) => serve::run(arguments, serve),
        Command::Principal(principal) => principal::run(arguments, principal),
        Command::Bench(bench) => bench::run(arguments, bench),
        Command::Top(top) => top::run(arguments, top),
        Command::Audit(audit) => audit::run(arguments, audit),
        Command::Inspect(inspect) => inspect::run(arguments, inspect),
        Command::Decrypt(decrypt) => decrypt::run(arguments, decrypt),
        Command::Verify(verify) => verify::run(arguments, verify),
        Command::Repair(repair) => repair::run(arguments, repair),
    }
}
