//! What tests of crashes share: dice with a printed seed, and disks that are too small.

use std::env;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// splitmix64, from a seed that is printed; `KEYMILL_TEST_SEED=N` repeats a run as far as the
/// machine's clock allows.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(test: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let given = env::var("KEYMILL_TEST_SEED").ok();
        let seed = given.map_or(now.as_secs() ^ u64::from(now.subsec_nanos()) << 32, |text| {
            text.parse().expect("KEYMILL_TEST_SEED is a number")
        });
        println!("{test}: KEYMILL_TEST_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform between nothing and `longest`.
    pub(crate) fn moment(&mut self, longest: Duration) -> Duration {
        longest.mul_f64((self.roll() >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// What a program said on standard error.
pub(crate) fn talk(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A tmpfs of bounded size over a folder, gone when dropped.
pub(crate) struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// `None`, with the reason printed, where this user may not mount.
    pub(crate) fn over(folder: &'a Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).output();
        let reason = match mount {
            Ok(output) if output.status.success() => return Some(Self(folder)),
            Ok(output) => talk(&output),
            Err(error) => error.to_string(),
        };
        println!("no small disk here: {}", reason.trim());
        None
    }

    pub(crate) fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        let status = Command::new("mount").args(["-o", &options]).arg(self.0).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _best_effort = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
