//! The door from inside: real pairs through a ring, and clients that mean harm.

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use rand_core::{Rng, SeedableRng};

use super::ring::{ANSWER_BYTES, REQUEST_BYTES, SLOTS};
use super::signal::{Signal, announce};
use super::*;
use crate::crypto::drbg::Drbg;
use crate::crypto::seal;
use crate::keystore::{Keystore, OpenOptions, ServedKeystore};
use crate::pipeline::source::PooledSource;
use crate::pool::{EmptyPool, PoolOptions, Pools};
use crate::spec::{EncryptionContext, KeyPairSpec};
use crate::sys::features::Backend;

const SPEC: KeyPairSpec = KeyPairSpec::EccNistEdwards25519;

/// An open door to a keystore of its own.
struct House {
    path: PathBuf,
    keystore: Arc<ServedKeystore>,
    door: Option<Door>,
    _folder: tempfile::TempDir,
}

impl House {
    fn open(policy: EmptyPool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let keystore = Keystore::init(&home, OpenOptions::default()).unwrap();
        let keystore = Arc::new(ServedKeystore::new(keystore).unwrap());
        let options = PoolOptions::of_every_spec(&[], Backend::Portable);
        let pools =
            Pools::start(&PoolOptions { producers: Some(1), make_way: false, ..options }).unwrap();
        let source = Arc::new(PooledSource::new(Arc::new(pools), policy));
        let path = folder.path().join("ring");
        let door = Door::open(&path, Hall::new(Arc::clone(&keystore), source)).unwrap();
        Self { path, keystore, door: Some(door), _folder: folder }
    }

    fn waiting() -> Self {
        Self::open(EmptyPool::Wait(Duration::from_mins(1)))
    }

    fn client(&self) -> Client {
        Client::connect(&self.path).unwrap()
    }

    /// A client that comes again until there is room: on a busy machine the threads of those who
    /// left take their time to notice.
    fn patient_client(&self) -> Client {
        loop {
            match Client::connect(&self.path) {
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {}
                connected => return connected.unwrap(),
            }
        }
    }
}

fn context() -> EncryptionContext {
    EncryptionContext::from_pairs([("serial", "SN-1"), ("batch", "7")]).unwrap()
}

fn request(context: &EncryptionContext) -> Request<'_> {
    Request { key_id: "alias/default", spec: SPEC, context, dry_run: false }
}

fn refusal(answer: Result<Answer, CallError>) -> Refusal {
    match answer {
        Err(CallError::Refused(refusal)) => refusal,
        other => panic!("{other:?} is no refusal"),
    }
}

#[test]
fn a_ring_gives_pairs_that_open_under_their_context() {
    let house = House::waiting();
    let (mut client, context) = (house.client(), context());
    let snapshot = house.keystore.snapshot();
    let key = snapshot.keys_in(house.keystore.scope()).next().unwrap();
    let mut seen = HashSet::new();
    for _ in 0..100 {
        let answer = client.call(&request(&context)).unwrap();
        assert_eq!(answer.key_arn, key.arn());
        let material = key.unwrapping_key(answer.key_material_id).unwrap();
        let blob = &answer.private_key_ciphertext_blob;
        let pkcs8 = seal::open(material, blob, &context).unwrap();
        let private = pkcs8.plaintext.expose();
        crate::crypto::check::check_pair(SPEC, &answer.public_key, private).unwrap();
        assert!(seal::open(material, blob, &EncryptionContext::default()).is_err());
        assert!(seen.insert(answer.public_key), "a pair came twice");
    }
}

#[test]
fn requests_are_answered_in_order_and_refused_by_name() {
    let house = House::waiting();
    let (mut client, context) = (house.client(), context());
    let good = request(&context);
    for number in 0..SLOTS {
        let key_id = if number % 2 == 0 { good.key_id } else { "alias/nobody" };
        client.send(&Request { key_id, ..good }).unwrap();
    }
    assert_eq!(client.send(&good), Err(CallError::Full));
    for number in 0..SLOTS {
        let answer = client.receive();
        if number % 2 == 0 {
            answer.unwrap();
        } else {
            assert_eq!(refusal(answer).name, "NotFoundException");
        }
    }
    assert_eq!(client.receive(), Err(CallError::NothingSent));
    let mut name = |request| refusal(client.call(&request)).name;
    assert_eq!(name(Request { dry_run: true, ..good }), "DryRunOperationException");
    assert_eq!(name(Request { dry_run: true, key_id: "x y", ..good }), "NotFoundException");
    assert_eq!(name(Request { spec: KeyPairSpec::Sm2, ..good }), "UnsupportedOperationException");
}

#[test]
fn an_empty_pool_throttles() {
    let house = House::open(EmptyPool::Throttle);
    let (mut client, context) = (house.client(), context());
    let first = client.call(&request(&context));
    assert_eq!(refusal(first).name, "ThrottlingException");
}

#[test]
fn a_closed_door_is_seen_and_its_name_is_free() {
    let mut house = House::waiting();
    let (mut client, context) = (house.client(), context());
    client.call(&request(&context)).unwrap();
    let mode = std::fs::metadata(&house.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(house.door.take());
    assert_eq!(client.call(&request(&context)), Err(CallError::Gone));
    assert!(!house.path.exists());
}

#[test]
fn a_socket_that_a_kill_left_is_replaced_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ring");
    drop(UnixListener::bind(&path).unwrap());
    let listener = crate::sys::listener::Listener::bind(&path).unwrap();
    let second = crate::sys::listener::Listener::bind(&path).unwrap_err();
    assert_eq!(second.kind(), std::io::ErrorKind::AddrInUse);
    drop(listener);
    std::fs::write(&path, "a file").unwrap();
    let refused = crate::sys::listener::Listener::bind(&path).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&path).unwrap(), b"a file");
}

#[test]
fn a_client_that_dies_in_the_middle_harms_nobody() {
    let house = House::waiting();
    let (mut steady, context) = (house.client(), context());
    for _ in 0..10 {
        let mut dying = house.client();
        (0..SLOTS).for_each(|_| dying.send(&request(&context)).unwrap());
        drop(dying);
        steady.call(&request(&context)).unwrap();
    }
}

#[test]
fn a_count_that_cannot_be_ends_that_ring_alone() {
    let house = House::waiting();
    let (mut steady, mut hostile, context) = (house.client(), house.client(), context());
    hostile.send(&request(&context)).unwrap();
    announce(&hostile.ring().sent(), 1 << 31);
    while hostile.ring().server_left().load(Ordering::Acquire) == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    steady.call(&request(&context)).unwrap();
}

/// Writes nonsense over everything a client can write, and now and then a plausible count.
#[test]
fn garbage_in_a_ring_harms_nobody() {
    let house = House::open(EmptyPool::Throttle);
    let (mut steady, context) = (house.client(), context());
    let mut random = rand_chacha::ChaCha20Rng::from_seed(seed());
    for _ in 0..300 {
        let hostile = house.patient_client();
        let memory = hostile.ring().memory();
        let mut bytes = vec![0; REQUEST_BYTES];
        let mut count: u32 = 0;
        for _ in 0..40 {
            random.fill_bytes(&mut bytes);
            if !random.next_u32().is_multiple_of(4) {
                // A head that holds together, mostly.
                bytes[..4].copy_from_slice(&count.to_ne_bytes());
                bytes[4] = 1 + bytes[4] % 13;
                bytes[7] %= 12;
                bytes[9] %= 40;
                bytes[10..12].fill(0);
            }
            memory.write((count % SLOTS) as usize * REQUEST_BYTES, &bytes);
            match random.next_u32() % 16 {
                0 => memory.word(random.next_u32() as usize % 1024).store(!0, Ordering::Relaxed),
                1 => memory.write(SLOTS as usize * REQUEST_BYTES, &bytes[..ANSWER_BYTES]),
                _ => {}
            }
            count = count.wrapping_add(1);
            announce(&hostile.ring().sent(), count);
        }
        drop(hostile);
        match steady.call(&request(&context)) {
            Ok(_) => {}
            Err(CallError::Refused(refusal)) => assert_eq!(refusal.name, "ThrottlingException"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(steady.ring().answered().count(), 300);
}

/// A new seed each time; printed, to be put here when a test has failed.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    Drbg::from_system().unwrap().fill(&mut seed);
    println!("seed {seed:?}");
    seed
}
