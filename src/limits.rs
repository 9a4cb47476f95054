//! Every bound of the program, with the relations between them checked at compile time.

use core::time::Duration;

use crate::spec::KeyPairSpec;

/// Longest `KeyId` in any form, in characters (KMS service model).
pub const KEY_ID_CHARS_MAX: usize = 2048;

/// Longest alias name, prefix included, in characters (KMS service model).
pub const ALIAS_NAME_CHARS_MAX: usize = 256;

/// Longest Region name, in characters (KMS service model).
pub const REGION_CHARS_MAX: usize = 32;

/// Most aliases one key may have (KMS resource quota).
pub const ALIASES_PER_KEY_MAX: usize = 50;

/// Most on-demand rotations of one key (KMS service model).
pub const ROTATIONS_PER_KEY_MAX: usize = 25;

/// Shortest period of automatic rotation, in days (KMS service model).
pub const ROTATION_PERIOD_DAYS_MIN: i64 = 90;

/// Longest period of automatic rotation, in days (KMS service model).
pub const ROTATION_PERIOD_DAYS_MAX: i64 = 2560;

/// Most tags of one key (KMS API reference, `TagResource`).
pub const TAGS_PER_KEY_MAX: usize = 50;

/// Longest key of a tag, in characters (KMS service model).
pub const TAG_KEY_CHARS_MAX: usize = 128;

/// Longest value of a tag, in characters (KMS service model).
pub const TAG_VALUE_CHARS_MAX: usize = 256;

/// Longest description of a key, in characters (KMS service model).
pub const DESCRIPTION_CHARS_MAX: usize = 8192;

/// Longest description of imported material, in characters (KMS service model).
pub const MATERIAL_DESCRIPTION_CHARS_MAX: usize = 256;

/// How long a wrapping key and its import token are of use, in hours (KMS API reference,
/// `GetParametersForImport`).
pub const IMPORT_TOKEN_HOURS: i64 = 24;

/// How long imported material that expires may last, in days (KMS API reference,
/// `ImportKeyMaterial`).
pub const IMPORT_DAYS_MAX: i64 = 365;

/// Longest policy document, in bytes (KMS developer guide, key policies).
pub const POLICY_BYTES_MAX: usize = 32_768;

/// Longest policy document, in characters, before it is looked at (KMS service model).
pub const POLICY_CHARS_MAX: usize = 131_072;

/// Longest name of a principal, in characters (IAM user names).
pub const PRINCIPAL_NAME_CHARS_MAX: usize = 64;

/// Longest access key id, in characters (STS service model).
pub const ACCESS_KEY_ID_CHARS_MAX: usize = 128;

/// Longest secret access key, in bytes. AWS's have 40.
pub const SECRET_ACCESS_KEY_BYTES_MAX: usize = 128;

/// Longest session token, in characters; AWS's have less than 1500.
pub const SESSION_TOKEN_CHARS_MAX: usize = 2048;

/// Longest session, in hours (STS API reference, `GetSessionToken`).
pub const SESSION_HOURS_MAX: i64 = 36;

/// Longest delay of `--eventual`, in seconds.
pub const EVENTUAL_SECONDS_MAX: i64 = 3600;

/// Largest encryption context: keys and values together, in bytes.
///
/// KMS publishes no limit; 8 KiB is what services that pass contexts on to it allow.
pub const CONTEXT_BYTES_MAX: usize = 8192;

/// Most pairs of an encryption context.
pub const CONTEXT_PAIRS_MAX: usize = 256;

/// Longest plaintext of a ciphertext blob, in bytes (KMS service model).
pub const PLAINTEXT_BYTES_MAX: usize = 4096;

/// Longest plaintext that an SM2 key encrypts, in bytes (KMS developer guide, "SM2 key spec").
pub const SM2_PLAINTEXT_BYTES_MAX: usize = 1024;

/// Longest message that is signed or authenticated, in bytes (KMS service model).
pub const MESSAGE_BYTES_MAX: usize = 4096;

/// Longest signature or message authentication code, in bytes (KMS service model).
pub const SIGNATURE_BYTES_MAX: usize = 6144;

/// Longest ciphertext blob, in bytes (KMS service model).
pub const CIPHERTEXT_BYTES_MAX: usize = 6144;

/// Most seals under one derived key.
///
/// The GCM nonce is a counter, so that the bound is no matter of collisions; it only limits what
/// one derived key protects.
pub const SEALS_PER_DERIVED_KEY_MAX: usize = 1 << 16;

/// Bytes of one page; slots start and end on one.
pub const PAGE_BYTES: usize = 4096;

/// Largest slot of the output file, in bytes: the 32-bit offsets inside it stay far from their end.
pub const SLOT_BYTES_MAX: u64 = 1 << 30;

/// Most slots of one part of the output: its footer, 24 bytes a slot, stays below 32 MiB.
pub const PART_SLOTS_MAX: u64 = 1 << 20;

/// Most manifest columns of the output file.
pub const PART_COLUMNS_MAX: usize = 1024;

/// Longest schema message of the output file with its padding, in bytes.
pub const PART_PREFIX_BYTES_MAX: u64 = 16 << 20;

/// Rows of one slot of the output file, for a spec whose keys are quickly made.
pub const SLOT_ROWS_FAST: usize = 4096;

/// Rows of one slot of the output file, for RSA, where a slot takes seconds.
pub const SLOT_ROWS_RSA: usize = 16;

/// Most bytes of the slots that are filled and not yet written: what two fast workers make in a
/// tenth of a second. Slots so large that not every worker would have one may take more.
pub const STAGED_BYTES_MAX: usize = 64 << 20;

/// Most slots that are filled and not yet written, unless there are more workers: what a killed
/// job loses at most.
pub const STAGED_SLOTS_MAX: usize = 64;

/// Rows of one slot of the output file.
#[must_use]
pub const fn slot_rows(spec: KeyPairSpec) -> usize {
    if spec.rsa_bits().is_some() { SLOT_ROWS_RSA } else { SLOT_ROWS_FAST }
}

const _: () = {
    assert!(SLOT_ROWS_FAST <= SEALS_PER_DERIVED_KEY_MAX);
    assert!(SLOT_ROWS_RSA <= SLOT_ROWS_FAST);
    assert!(KeyPairSpec::Rsa4096.private_key_bytes_max() <= PLAINTEXT_BYTES_MAX);
    assert!(PLAINTEXT_BYTES_MAX < CIPHERTEXT_BYTES_MAX);
    assert!(RANDOM_BYTES_MAX <= PLAINTEXT_BYTES_MAX);
    assert!(REQUEST_HEAD_BYTES_MAX >= 8192, "hyper reads into no smaller buffer");
    assert!(PAGE_BYTES.is_power_of_two());
    assert!(AUDIT_PARAMETERS_BYTES_MAX > POLICY_BYTES_MAX);
};

/// Largest part of an output folder unless told otherwise, in bytes.
pub const PART_BYTES_DEFAULT: u64 = 2 << 30;

/// Time for a TLS handshake, in seconds.
pub const HANDSHAKE_SECONDS_MAX: u64 = 10;

/// Longest body of a request to the endpoint, in bytes: a key policy of the longest length that the
/// service model allows, with every character escaped.
pub const REQUEST_BODY_BYTES_MAX: usize = 1 << 20;

/// Longest head of a request (request line and headers), in bytes: room for a session token.
pub const REQUEST_HEAD_BYTES_MAX: usize = 32 << 10;

/// Most headers of a request.
pub const REQUEST_HEADERS_MAX: usize = 64;

/// Time for the head of a request to arrive, idle time before it included, in seconds.
pub const REQUEST_HEAD_SECONDS_MAX: u64 = 60;

/// Time for the body of a request to arrive, in seconds.
pub const REQUEST_BODY_SECONDS_MAX: u64 = 10;

/// Time for a client to take in what was sent to it, in seconds.
pub const ANSWER_SECONDS_MAX: u64 = 30;

/// Most open connections of the endpoint, unless told otherwise.
pub const CONNECTIONS_DEFAULT: usize = 4096;

/// Time for open requests to be answered when the endpoint stops, in seconds.
pub const STOP_SECONDS_MAX: u64 = 10;

/// How far the clock of a client may be off, in seconds (`SigV4` of the services that speak JSON).
pub const CLOCK_SKEW_SECONDS_MAX: i64 = 300;

/// Most clients one thread remembers, each with the signing key of a principal, a Region and a day.
pub const SIGNING_KEYS_MAX: usize = 1024;

/// Most memory that what a client signs may take to be remembered, in bytes: a hundred headers.
pub const CLIENT_BYTES_MAX: usize = 8192;

/// Most operations with keys whose decision is remembered for one caller.
pub const DECISIONS_PER_CALLER_MAX: usize = 1024;

/// Most callers that one thread remembers of an endpoint where calls are not signed: one a Region.
pub const UNSIGNED_CALLERS_MAX: usize = 64;

/// Most grant tokens of one request (KMS service model).
pub const GRANT_TOKENS_MAX: usize = 10;

/// Longest grant token, in characters (KMS service model).
pub const GRANT_TOKEN_CHARS_MAX: usize = 8192;

/// Most grants of one key (KMS resource quota).
pub const GRANTS_PER_KEY_MAX: usize = 50_000;

/// Most pairs of one constraint of a grant (KMS API reference, `GrantConstraints`).
pub const GRANT_CONSTRAINT_PAIRS_MAX: usize = 8;

/// Longest constraint of a grant: keys and values together, in characters (KMS API reference,
/// `GrantConstraints`).
pub const GRANT_CONSTRAINT_CHARS_MAX: usize = 384;

/// Longest id of a grant, in characters (KMS service model).
pub const GRANT_ID_CHARS_MAX: usize = 128;

/// Longest name of a grant, or of a principal in one, in characters (KMS service model).
pub const GRANT_NAME_CHARS_MAX: usize = 256;

/// Most bytes that `GenerateRandom` and `GenerateDataKey` make (KMS service model).
pub const RANDOM_BYTES_MAX: usize = 1024;

/// Most entries of one page of a list (KMS service model).
pub const PAGE_ENTRIES_MAX: usize = 1000;

/// Entries of one page of a list, if not said otherwise (KMS API reference, `ListKeys`).
pub const PAGE_ENTRIES_DEFAULT: usize = 100;

/// Most workers of one job.
pub const THREADS_MAX: usize = 1024;

/// Ready pairs of a pool, for specs whose keys are quickly made and small.
pub const POOL_PAIRS_FAST: usize = 4096;

/// Ready pairs of a pool, for ML-KEM, whose public keys are large.
pub const POOL_PAIRS_LATTICE: usize = 1024;

/// Finished pairs of a pool of RSA.
pub const POOL_READY_RSA: usize = 256;

/// Pairs of primes of a pool of RSA.
pub const POOL_PRIMES_RSA: usize = 4096;

/// Pairs of a pool of RSA that is filled on demand.
pub const POOL_ON_DEMAND_RSA: usize = 512;

/// Most pairs of a pool.
pub const POOL_PAIRS_MAX: usize = 1 << 24;

/// About how long a producer works before it looks where the need is.
pub const POOL_STEP: Duration = Duration::from_millis(2);

/// Most pairs that a producer makes in one step.
pub const POOL_STEP_ROWS_MAX: usize = 1024;

/// How long a taker waits for a pair, unless told otherwise.
pub const POOL_WAIT: Duration = Duration::from_secs(10);

/// Longest wait of a taker.
pub const POOL_WAIT_MAX: Duration = Duration::from_hours(24);

/// Most clients of the shared-memory door.
pub const DOOR_RINGS_MAX: usize = 64;

/// How long a side of a ring looks for news before it sleeps.
pub const DOOR_SPIN: Duration = Duration::from_micros(50);

/// Records of a sealed pool of RSA that are claimed at a time, and lost if their taker is killed.
pub const POOL_CLAIM_RSA: u64 = 64;

/// As [`POOL_CLAIM_RSA`], for specs whose keys are quickly made: a claim takes as long as making
/// some thousands of them.
pub const POOL_CLAIM_FAST: u64 = 1024;

/// Records of a sealed pool that are claimed at a time.
#[must_use]
pub const fn pool_claim(spec: KeyPairSpec) -> u64 {
    if spec.rsa_bits().is_some() { POOL_CLAIM_RSA } else { POOL_CLAIM_FAST }
}

/// Most pairs of a sealed pool that a server has claimed and not handed out yet: two claims, so that
/// one is fetched while the other is handed out. They are lost if the server ends.
#[must_use]
pub const fn pool_ahead(spec: KeyPairSpec) -> u64 {
    2 * pool_claim(spec)
}

/// How often a server looks whether the last pairs of a sealed pool are handed out.
pub const POOL_FED_LOOK: Duration = Duration::from_secs(1);

/// Most records of a sealed pool: its key seals each under a random 96-bit nonce, and as many are
/// safe (SP 800-38D, section 8.3).
pub const POOL_RECORDS_MAX: u64 = 1 << 32;

/// Time after which the records that were written are brought to the disk.
pub const POOL_SYNC: Duration = Duration::from_secs(1);

/// How long a claim waits while other processes have the keystore open.
pub const POOL_CLAIM_WAIT: Duration = Duration::from_secs(30);

/// Longest latency that can be asked for.
pub const LATENCY_MAX: Duration = Duration::from_mins(1);

/// Largest sigma of a lognormal latency: one answer in forty then takes 20,000 times the median.
pub const LATENCY_SIGMA_MAX: f64 = 5.0;

/// Most quotas that are counted before those that are full are forgotten.
pub const QUOTA_BUCKETS_MAX: usize = 1 << 16;

/// Most events of the audit log that wait to be written; a killed process loses so many at most, and
/// a page of them.
pub const AUDIT_QUEUE_EVENTS: usize = 8192;

/// How long a call waits for a place in the audit log.
pub const AUDIT_PLACE_WAIT: Duration = Duration::from_secs(2);

/// Callers and operations whose common members a thread remembers.
pub const AUDIT_SHARED_MAX: usize = 1024;

/// Longest request, its client's names of itself counted, that a thread remembers for others that are
/// the same, in bytes.
pub const AUDIT_REPEATED_BYTES_MAX: usize = 1024;

/// How long the audit log may be written and not yet on the disk.
pub const AUDIT_SYNC: Duration = Duration::from_secs(1);

/// Size at which a file of the audit log is followed by another, unless told otherwise, in bytes.
pub const AUDIT_FILE_BYTES_DEFAULT: u64 = 256 << 20;

/// Most bytes of a request that one line of the audit log shows: a key policy fits.
pub const AUDIT_PARAMETERS_BYTES_MAX: usize = 64 << 10;

/// Most requests a second of the load generator.
pub const BENCH_RATE_MAX: f64 = 1e6;

/// Most connections of the load generator.
pub const BENCH_CONNECTIONS_MAX: usize = 16_384;

/// Most connections to the admin address.
pub const ADMIN_CONNECTIONS_MAX: usize = 16;
