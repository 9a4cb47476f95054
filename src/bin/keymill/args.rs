//! What was typed: the command line, before it means anything.

#![expect(clippy::doc_markdown, reason = "the comments are the help text, shown as they are")]

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;
use keymill::keystore::ScopeOptions;
use keymill::kms::{AdminAddress, Chance, Fault, Latency, Quotas};
use keymill::limits::POOL_PAIRS_MAX;
use keymill::pool::EmptyPool;
use keymill::spec::{Account, AliasName, KeyId, KeyPairSpec, Partition, Region};
use keymill::sys::features::BackendChoice;
use keymill::sys::secret_memory::Protection;

use crate::bench::args::Bench;

/// Mints wrapped data key pairs: what AWS KMS GenerateDataKeyPairWithoutPlaintext does,
/// self-hosted and in bulk.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100)]
pub struct Arguments {
    /// Folder of the keystore [default: keymill in the XDG data directory]
    #[arg(long, global = true, value_name = "DIR", env = "KEYMILL_HOME", hide_env_values = true)]
    pub home: Option<PathBuf>,

    /// File whose first line is the keystore's passphrase, instead of a prompt
    #[arg(long, global = true, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,

    /// Print reports as JSON
    #[arg(long, global = true)]
    pub json: bool,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a keystore, with a first key called alias/default
    Init(Init),
    /// Make wrapped key pairs into a file: one for each row of a manifest, or a number of them
    Generate(Box<Generate>),
    /// KMS keys: the symmetric keys that private keys are wrapped under
    #[command(subcommand)]
    Key(Key),
    /// Names for KMS keys
    #[command(subcommand)]
    Alias(Alias),
    /// Key pairs made ahead, sealed on the disk, each to be taken once
    #[command(subcommand)]
    Pool(Pool),
    /// Answer KMS clients over HTTP
    Serve(Box<Serve>),
    /// Ask an endpoint for key pairs at a fixed rate, and tell how long the answers take
    Bench(Box<Bench>),
    /// Watch the pools and producers of a running serve
    Top(Top),
    /// Who may call the endpoint
    #[command(subcommand)]
    Principal(Principal),
    /// The audit log of an endpoint
    #[command(subcommand)]
    Audit(Audit),
    /// Show what is in an output file
    Inspect(Inspect),
    /// Open one private key
    Decrypt(Decrypt),
    /// Check an output file row by row
    Verify(Verify),
    /// Save what an interrupted run had committed
    Repair(Repair),
}

#[derive(Debug, Args)]
pub struct Init {
    /// Seal the keystore under a passphrase instead of a key file
    #[arg(long)]
    pub passphrase: bool,
    #[command(flatten)]
    pub scope: Scope,
}

#[derive(Debug, Args)]
pub struct Scope {
    /// Account number in the ARNs [default: the keystore's; 000000000000 at first]
    #[arg(long, value_name = "NUMBER")]
    pub account_id: Option<Account>,
    /// Region in the ARNs [default: the keystore's; us-east-1 at first]
    #[arg(long, value_name = "NAME")]
    pub region: Option<Region>,
    /// Partition in the ARNs [default: the Region's]
    #[arg(long, value_name = "NAME")]
    pub partition: Option<Partition>,
}

impl Scope {
    /// As the keystore takes it.
    pub fn to_options(&self) -> ScopeOptions {
        ScopeOptions {
            partition: self.partition,
            region: self.region.clone(),
            account: self.account_id,
        }
    }
}

#[derive(Debug, Args)]
pub struct Generate {
    /// Kind of key pair; without it the manifest's column key_pair_spec tells, row by row
    #[arg(long, value_name = "SPEC")]
    pub key_pair_spec: Option<KeyPairSpec>,
    /// Number of key pairs
    #[arg(long, short = 'n', value_name = "N", conflicts_with = "manifest")]
    pub count: Option<u64>,
    /// List of devices: CSV with a header, NDJSON or Arrow; - for standard input
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Format of the manifest [default: by the ending of its name]
    #[arg(long, value_name = "FORMAT", requires = "manifest")]
    pub manifest_format: Option<ManifestFormat>,
    /// Column whose values must all differ
    #[arg(long, value_name = "COLUMN", requires = "manifest")]
    pub unique: Option<String>,
    /// KMS key to wrap under: key id, key ARN, alias name or alias ARN
    #[arg(long, value_name = "KEY", default_value = "alias/default")]
    pub key_id: KeyId,
    /// Context the private keys are bound to: k=v,k2=v2 or JSON; {column} takes the row's value
    #[arg(long, value_name = "CONTEXT", default_value = "", hide_default_value = true)]
    pub encryption_context: String,
    /// Output: a file, a folder (ending in /) for parts, or - for standard output
    #[arg(long, short, value_name = "PATH")]
    pub output: PathBuf,
    /// Form of the output [default: arrow; jsonl for -o -]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<OutputFormat>,
    /// Largest part in a folder, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = keymill::limits::PART_BYTES_DEFAULT)]
    pub part_bytes: u64,
    /// Check everything and print the plan; make no key
    #[arg(long)]
    pub dry_run: bool,
    /// Number of workers [default: the cores this process may use]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Instructions to use: auto, portable or ifma
    #[arg(long, value_name = "BACKEND", default_value = "auto")]
    pub backend: BackendChoice,
    /// Folder of pools to take key pairs from; what they lack is made
    #[arg(long, value_name = "DIR", conflicts_with = "confine_workers")]
    pub pool: Option<PathBuf>,
    /// Let the kernel end the job if a warm worker makes a system call (one file, no manifest)
    #[arg(long, conflicts_with = "manifest")]
    pub confine_workers: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ManifestFormat {
    Csv,
    Ndjson,
    Arrow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    Arrow,
    Jsonl,
}

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make a key
    Create(KeyCreate),
    /// List all keys
    List,
    /// Show a key
    Describe(OneKey),
    /// Let a disabled key be used again
    Enable(OneKey),
    /// Keep a key from being used
    Disable(OneKey),
    /// Give a key new material; old blobs still open
    Rotate(OneKey),
    /// Delete a key, after a waiting period
    ScheduleDeletion(ScheduleDeletion),
    /// Take the deletion back; the key is then disabled
    CancelDeletion(OneKey),
    /// Give a key of origin EXTERNAL its material
    Import(Import),
    /// Make a replica of a multi-Region key in another Region
    Replicate(Replicate),
}

#[derive(Debug, Args)]
pub struct KeyCreate {
    /// Text to remember the key by
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub description: String,
    /// Whether the material is made here (AWS_KMS) or imported (EXTERNAL)
    #[arg(long, value_name = "ORIGIN", default_value = "AWS_KMS")]
    pub origin: Origin,
    /// Let the key have replicas in other Regions
    #[arg(long)]
    pub multi_region: bool,
    /// Alias to give the new key
    #[arg(long, value_name = "ALIAS")]
    pub alias: Option<AliasName>,
    #[command(flatten)]
    pub scope: Scope,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Origin {
    AwsKms,
    External,
}

#[derive(Debug, Args)]
pub struct OneKey {
    /// The key: key id, key ARN, alias name or alias ARN
    #[arg(long, value_name = "KEY")]
    pub key_id: KeyId,
}

#[derive(Debug, Args)]
pub struct ScheduleDeletion {
    #[command(flatten)]
    pub key: OneKey,
    /// Days until the key and its material are gone, 7 to 30
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub pending_window_in_days: u16,
}

#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    pub key: OneKey,
    /// File of 32 bytes, or of 64 hex digits
    #[arg(long, value_name = "FILE")]
    pub material_file: PathBuf,
}

#[derive(Debug, Args)]
pub struct Replicate {
    #[command(flatten)]
    pub key: OneKey,
    /// Region of the replica
    #[arg(long, value_name = "NAME")]
    pub replica_region: Region,
    /// Text to remember the replica by
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub description: String,
}

#[derive(Debug, Subcommand)]
pub enum Alias {
    /// Name a key
    Create(AliasTarget),
    /// Let a name stand for another key
    Update(AliasTarget),
    /// Forget a name; the key stays
    Delete(AliasDelete),
    /// List names
    List(AliasList),
}

#[derive(Debug, Args)]
pub struct AliasTarget {
    /// The name, with alias/ in front
    #[arg(long, value_name = "ALIAS")]
    pub alias_name: AliasName,
    /// The key: key id or key ARN
    #[arg(long, value_name = "KEY")]
    pub target_key_id: KeyId,
}

#[derive(Debug, Args)]
pub struct AliasDelete {
    /// The name, with alias/ in front
    #[arg(long, value_name = "ALIAS")]
    pub alias_name: AliasName,
}

#[derive(Debug, Args)]
pub struct AliasList {
    /// Only the names of this key
    #[arg(long, value_name = "KEY")]
    pub key_id: Option<KeyId>,
}

#[derive(Debug, Subcommand)]
pub enum Pool {
    /// Make key pairs until a pool holds so many
    Fill(PoolFill),
    /// Show what is in the pools
    Status(PoolFolder),
    /// Take what is left: wrapped key pairs, as JSON lines on standard output
    Drain(PoolDrain),
}

#[derive(Debug, Args)]
pub struct PoolFolder {
    /// Folder of the pools, one file a spec [default: pools in the keystore's folder]
    #[arg(long = "pool", value_name = "DIR")]
    pub path: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct PoolFill {
    /// Kind of key pair
    #[arg(long, value_name = "SPEC")]
    pub key_pair_spec: KeyPairSpec,
    /// Number of key pairs that the pool is to hold
    #[arg(long, short = 'n', value_name = "N")]
    pub count: u64,
    #[command(flatten)]
    pub folder: PoolFolder,
    /// Number of producers [default: the cores this process may use]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Instructions to use: auto, portable or ifma
    #[arg(long, value_name = "BACKEND", default_value = "auto")]
    pub backend: BackendChoice,
}

#[derive(Debug, Args)]
pub struct PoolDrain {
    /// Kind of key pair
    #[arg(long, value_name = "SPEC")]
    pub key_pair_spec: KeyPairSpec,
    /// Most key pairs to take [default: all there are]
    #[arg(long, short = 'n', value_name = "N")]
    pub count: Option<u64>,
    #[command(flatten)]
    pub folder: PoolFolder,
    /// KMS key to wrap under: key id, key ARN, alias name or alias ARN
    #[arg(long, value_name = "KEY", default_value = "alias/default")]
    pub key_id: KeyId,
    /// Context the private keys are bound to: k=v,k2=v2 or JSON
    #[arg(long, value_name = "CONTEXT", default_value = "", hide_default_value = true)]
    pub encryption_context: String,
    /// Number of workers [default: the cores this process may use]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Instructions to use: auto, portable or ifma
    #[arg(long, value_name = "BACKEND", default_value = "auto")]
    pub backend: BackendChoice,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8181")]
    pub listen: SocketAddr,
    /// Certificate to encrypt with: a PEM file, the endpoint's own certificate first
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate: a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Serve an address that others can reach, though nothing encrypts what they send and get
    #[arg(long)]
    pub allow_plaintext: bool,
    /// Whether calls must be signed: sigv4, or none (on a loopback address only)
    #[arg(long, value_name = "HOW", default_value = "sigv4")]
    pub auth: Auth,
    /// Number of threads [default: the cores this process may use]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Most open connections
    #[arg(long, value_name = "N", default_value_t = keymill::limits::CONNECTIONS_DEFAULT)]
    pub connections: usize,
    /// TOML file that says what the keystore holds: at the start, and after every reset. The
    /// keystore must be new, or made from a seed
    #[arg(long, value_name = "FILE")]
    pub seed: Option<PathBuf>,
    /// Let changes of keys, aliases and grants be seen after this time only, as at a service of many
    /// machines; a grant's token makes it usable at once
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = lateness)]
    pub eventual: SignedDuration,
    /// Instructions to make keys with: auto, portable or ifma
    #[arg(long, value_name = "BACKEND", default_value = "auto")]
    pub backend: BackendChoice,
    /// Key pairs to keep ready from the start on, of each spec; others are made once asked for
    #[arg(long, value_name = "SPEC=N", value_delimiter = ',')]
    pub pool: Vec<PoolSize>,
    /// Keep all RSA pairs of these pools finished, and not most of them as primes: five times the memory,
    /// and as fast in a burst as others
    #[arg(long, requires = "pool")]
    pub finished: bool,
    /// Make key pairs beside whatever else this machine does, not only when it would be idle; calls may
    /// then wait for a core while pools are filled
    #[arg(long)]
    pub eager: bool,
    /// Folder of sealed pools (keymill pool fill) to hand key pairs out of first; what they lack is
    /// made
    #[arg(long, value_name = "DIR")]
    pub draw_from: Option<PathBuf>,
    /// Answer programs on this machine through shared memory too, which this Unix socket gives out
    #[arg(long, value_name = "PATH")]
    pub ring: Option<PathBuf>,
    /// Do not start where key pairs would wait in memory that keeps secrets less well: secret, which
    /// nothing else can read, or locked, which is never swapped
    #[arg(
        long,
        value_name = "LEVEL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "secret"
    )]
    pub require_secret_memory: Option<Protection>,
    /// What a call is told that finds no key pair ready: wait, throttle or error
    #[arg(long, value_name = "POLICY", default_value = "wait")]
    pub empty_pool: EmptyPool,
    #[command(flatten)]
    pub scope: Scope,
    /// Folder of an audit log: every call as a line of JSON, chained by hashes
    #[arg(long, value_name = "DIR")]
    pub audit: Option<PathBuf>,
    /// Size at which a file of the audit log is followed by another, in bytes
    #[arg(long, value_name = "BYTES", requires = "audit",
          default_value_t = keymill::limits::AUDIT_FILE_BYTES_DEFAULT)]
    pub audit_file_bytes: u64,
    /// Loopback address or unix:PATH for the operator: health, metrics, weather, reset
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<AdminAddress>,
    /// File for the latencies of all calls, as HDR histograms, written at the end
    #[arg(long, value_name = "FILE")]
    pub latencies: Option<PathBuf>,
    #[command(flatten)]
    pub weather: Weather,
}

/// What goes wrong on demand.
#[derive(Debug, Args)]
#[command(next_help_heading = "The weather")]
pub struct Weather {
    /// Calls a second of each account and Region: none, aws or aws-cn (the service's defaults), and
    /// SPEC=N, OPERATION=N or SYMMETRIC=N, with commas between
    #[arg(long, value_name = "QUOTAS", default_value = "none")]
    pub quotas: Quotas,
    /// Exception that some calls get in place of an answer, like ThrottlingException=1%; repeatable
    #[arg(long, value_name = "EXCEPTION=CHANCE")]
    pub fault: Vec<Fault>,
    /// How long answers take at least: 8ms, or lognormal(8ms,0.5) for median and sigma
    #[arg(long, value_name = "TIME", default_value = "none")]
    pub latency: Latency,
    /// How often an answer is lost and the connection closed, the work being done: 0.01%
    #[arg(long, value_name = "CHANCE", default_value = "0%")]
    pub drop: Chance,
    /// Number that decides which requests are met; the same number and order of requests give the
    /// same faults [default: a random one, which is shown]
    #[arg(long, value_name = "N")]
    pub fault_seed: Option<u64>,
}

/// How many pairs of `spec` to keep ready.
#[derive(Clone, Copy, Debug)]
pub struct PoolSize {
    pub spec: KeyPairSpec,
    pub pairs: usize,
}

impl core::str::FromStr for PoolSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a pool is given as SPEC=N, N from 1 to 16777216, like RSA_2048=1000; \
                            --draw-from takes a folder";
        const { assert!(POOL_PAIRS_MAX == 16_777_216) };
        let (spec, pairs) = text.split_once('=').ok_or(FORM)?;
        let spec = spec.parse().map_err(|_| FORM)?;
        let pairs = pairs.parse().ok().filter(|pairs| (1..=POOL_PAIRS_MAX).contains(pairs));
        Ok(Self { spec, pairs: pairs.ok_or(FORM)? })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    Sigv4,
    None,
}

#[derive(Debug, Args)]
pub struct Top {
    /// How many seconds to watch [default: until it is ended]
    #[arg(long, short = 'n', value_name = "SECONDS")]
    pub count: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Check that no line was changed, left out or put in
    Verify(AuditVerify),
}

#[derive(Debug, Args)]
pub struct AuditVerify {
    /// Folder of the log
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Hash that the log must end with, as serve showed it at its stop
    #[arg(long, value_name = "HASH")]
    pub head: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Principal {
    /// Make a user with an access key, whose secret is shown this once
    Create(PrincipalCreate),
    /// Make another access key of a user, for a while, that goes with a session token
    Session(PrincipalSession),
    /// List all users
    List,
    /// Remove a user; its access key is of no use from then on
    Delete(PrincipalDelete),
}

#[derive(Debug, Args)]
pub struct PrincipalCreate {
    /// Name of the user, unique in its account
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Account of the user [default: the keystore's]
    #[arg(long, value_name = "NUMBER")]
    pub account_id: Option<Account>,
    /// Access key id to use instead of a random one
    #[arg(long, value_name = "ID", requires = "secret_access_key_file")]
    pub access_key_id: Option<String>,
    /// File whose first line is the secret access key
    #[arg(long, value_name = "FILE", requires = "access_key_id")]
    pub secret_access_key_file: Option<PathBuf>,
    /// File with the IAM policy that says what the user may do [default: everything that the
    /// policies of keys leave to the account]
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct PrincipalSession {
    /// Name or access key id of the user
    #[arg(value_name = "NAME")]
    pub name: String,
    /// How long the access key is of use, up to 36h
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = session_duration)]
    pub duration: SignedDuration,
}

/// A time such as `90s` or `1h`, of at least a second and at most what a session may last.
fn session_duration(text: &str) -> Result<SignedDuration, String> {
    let hours = keymill::limits::SESSION_HOURS_MAX;
    let fits = SignedDuration::from_secs(1)..=SignedDuration::from_hours(hours);
    duration(text, &fits, &format!("1s to {hours}h"))
}

/// A time such as `5s` or `2m`, of at most an hour.
fn lateness(text: &str) -> Result<SignedDuration, String> {
    let most = SignedDuration::from_secs(keymill::limits::EVENTUAL_SECONDS_MAX);
    duration(text, &(SignedDuration::ZERO..=most), "0s to 1h")
}

fn duration(
    text: &str,
    fits: &RangeInclusive<SignedDuration>,
    bounds: &str,
) -> Result<SignedDuration, String> {
    let found: Option<SignedDuration> = text.parse().ok();
    let found = found.filter(|found| fits.contains(found));
    found.ok_or_else(|| format!("a time such as 90s or 5m is needed, {bounds}"))
}

#[derive(Debug, Args)]
pub struct PrincipalDelete {
    /// Name or access key id of the user
    #[arg(value_name = "NAME")]
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Inspect {
    /// Output file, folder of parts, or .tmp of an interrupted run
    pub path: PathBuf,
    /// Rows to show, as A..B, counted from 0
    #[arg(long, value_name = "A..B", default_value = "0..3")]
    pub rows: RowRange,
}

#[derive(Debug, Args)]
pub struct Decrypt {
    /// Output file or folder of parts
    #[arg(required_unless_present = "blob", conflicts_with = "blob", requires = "row")]
    pub path: Option<PathBuf>,
    /// Row of the file, from 0
    #[arg(long, value_name = "N")]
    pub row: Option<u64>,
    /// File that holds one ciphertext blob, as it is or in base64
    #[arg(long, value_name = "FILE", conflicts_with = "row")]
    pub blob: Option<PathBuf>,
    /// Context of the blob, or of the row in place of the file's own: k=v,k2=v2 or JSON
    #[arg(long, value_name = "CONTEXT")]
    pub encryption_context: Option<String>,
    /// Form of the private key
    #[arg(long, value_name = "FORMAT", default_value = "pem")]
    pub format: KeyFormat,
    /// Where the private key goes; a new file, of mode 0600 [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyFormat {
    Der,
    Pem,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// Output file or folder of parts
    pub path: PathBuf,
    /// Open only N rows, evenly spread; everything else is still checked on all
    #[arg(long, value_name = "N")]
    pub sample: Option<u64>,
    /// The manifest the file was made from: its rows must stand in the file, in order
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Column whose values must all differ
    #[arg(long, value_name = "COLUMN")]
    pub unique: Option<String>,
    /// Number of workers [default: the cores this process may use]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

#[derive(Debug, Args)]
pub struct Repair {
    /// The .tmp file an interrupted run left
    pub path: PathBuf,
    /// Where the committed rows go; a new file [default: .repaired in place of .tmp]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Rows `start` up to but not including `end`.
#[derive(Clone, Debug)]
pub struct RowRange {
    pub start: u64,
    pub end: u64,
}

impl core::str::FromStr for RowRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = "rows are given as A..B, A first and B behind the last";
        let (start, end) = text.split_once("..").ok_or(form)?;
        let (start, end) = (start.parse().map_err(|_| form)?, end.parse().map_err(|_| form)?);
        if start <= end { Ok(Self { start, end }) } else { Err(form) }
    }
}
