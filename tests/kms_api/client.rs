//! A server in this process, and a client that shares no code with it: it writes HTTP by hand and
//! signs with its own Signature Version 4.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use keymill::keystore::{
    AccessKey, CreatePrincipal, Keystore, OpenOptions, ServedKeystore, ServedOptions, Session,
};
use keymill::kms::{Authentication, Endpoint, Server, ServerOptions};
use keymill::pipeline::source::PooledSource;
use keymill::pool::{EmptyPool, PoolOptions, Pools};
use keymill::secret::Secret;
use keymill::sys::features::BackendChoice;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// How long an answer may take; RSA keys on a busy machine are slow.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// The principal's access key.
pub const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
pub const SECRET: &str = "secret";
/// The account of the second principal, `AKIDSTRANGER` with the same secret.
pub const STRANGER: &str = "AKIDSTRANGER";
pub const STRANGER_ACCOUNT: &str = "111122223333";

/// A third, of the first one's account, whom its own policy lets do little.
pub const LIMITED: &str = "AKIDLIMITED";
const LIMITED_POLICY: &str = r#"{"Statement": [
    {"Effect": "Allow", "Resource": "*", "Action": ["kms:DescribeKey", "kms:GenerateDataKey*"],
     "Condition": {"StringLikeIfExists": {"kms:DataKeyPairSpec": "ECC*"}}},
    {"Effect": "Deny", "Action": "kms:Encrypt", "Resource": "*"}]}"#;

/// And one whom its own policy lets do nothing here.
pub const NOBODY: &str = "AKIDNOBODY";
const NOBODY_POLICY: &str =
    r#"{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#;

/// Two sessions of the first one, one of which is over.
pub const SESSION: &str = "ASIDSESSION";
pub const EXPIRED: &str = "ASIDEXPIRED";
pub const SESSION_TOKEN: &str = "session/token+=";

/// A running endpoint on a keystore of its own.
pub struct TestServer {
    pub server: Server,
    pub endpoint: Arc<Endpoint>,
    _home: TempDir,
}

impl TestServer {
    pub fn start() -> Self {
        Self::start_with(Authentication::SigV4)
    }

    pub fn start_with(authentication: Authentication) -> Self {
        Self::start_served(authentication, ServedOptions::default())
    }

    pub fn start_served(authentication: Authentication, served: ServedOptions) -> Self {
        Self::start_all(authentication, served, EmptyPool::Wait(PATIENCE))
    }

    pub fn start_all(
        authentication: Authentication,
        served: ServedOptions,
        empty_pool: EmptyPool,
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut keystore = Keystore::init(home.path(), OpenOptions::default()).unwrap();
        for (id, name, account, policy, expires) in [
            (ACCESS_KEY_ID, "tester", None, None, None),
            (STRANGER, "stranger", Some(STRANGER_ACCOUNT), None, None),
            (LIMITED, "limited", None, Some(LIMITED_POLICY), None),
            (NOBODY, "nobody", None, Some(NOBODY_POLICY), None),
            (SESSION, "tester", None, None, Some("2100-01-01T00:00:00Z")),
            (EXPIRED, "tester", None, None, Some("2020-01-01T00:00:00Z")),
        ] {
            let secret = Secret::new(SECRET.to_owned());
            keystore
                .create_principal(CreatePrincipal {
                    name: name.to_owned(),
                    account: account.map(|account| account.parse().unwrap()),
                    access_key: Some(AccessKey { id: id.to_owned(), secret }),
                    policy: policy.map(str::to_owned),
                    session: expires.map(|expires| Session {
                        token: SESSION_TOKEN.to_owned(),
                        expires: expires.parse().unwrap(),
                    }),
                })
                .unwrap();
        }
        let backend = BackendChoice::Auto.select().unwrap();
        let pools = PoolOptions {
            producers: Some(1),
            make_way: false,
            ..PoolOptions::of_every_spec(&[], backend)
        };
        let pools = Arc::new(Pools::start(&pools).unwrap());
        let source = PooledSource::new(pools, empty_pool);
        let keystore = Arc::new(ServedKeystore::with(keystore, served).unwrap());
        let endpoint = Endpoint::new(keystore, Arc::new(source), authentication);
        let endpoint = Arc::new(endpoint.with_backend(backend));
        let mut options = ServerOptions::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        options.threads = Some(2);
        Self { server: Server::start(&endpoint, &options).unwrap(), endpoint, _home: home }
    }

    pub fn connect(&self) -> Connection {
        Connection::new(TcpStream::connect(self.server.address()).unwrap())
    }
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// One connection, kept alive.
pub struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    /// Sends `request` as it is.
    pub fn send(&mut self, request: &[u8]) {
        self.try_send(request).unwrap();
    }

    /// Sends as much of `request` as the server takes.
    pub fn try_send(&mut self, request: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(request)
    }

    /// Sends no more.
    pub fn finish(&mut self) {
        let _ = self.reader.get_ref().shutdown(Shutdown::Write);
    }

    /// Reads one answer; none if the server closed the connection.
    pub fn receive(&mut self) -> Option<Reply> {
        let status = self.line()?;
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        while let Some(line) = self.line().filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let mut reply = Reply { status, headers, body: String::new() };
        let bytes: usize = reply.header("content-length").unwrap_or("0").parse().unwrap();
        let mut body = vec![0; bytes];
        self.reader.read_exact(&mut body).unwrap();
        reply.body = String::from_utf8(body).unwrap();
        Some(reply)
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let bytes = self.reader.read_line(&mut line).unwrap_or(0);
        (bytes > 0).then(|| line.trim_end().to_owned())
    }

    /// Makes a signed call.
    pub fn call(&mut self, signer: &Signer, operation: &str, body: &str) -> Reply {
        self.send(signer.request(operation, body).as_bytes());
        self.receive().unwrap()
    }
}

/// Signs calls.
#[derive(Clone, Debug)]
pub struct Signer {
    pub access_key_id: String,
    pub secret: String,
    pub region: String,
    pub date: Timestamp,
}

impl Signer {
    pub fn tester() -> Self {
        Self {
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret: SECRET.to_owned(),
            region: "us-east-1".to_owned(),
            date: Timestamp::now(),
        }
    }

    pub fn limited() -> Self {
        Self { access_key_id: LIMITED.to_owned(), ..Self::tester() }
    }

    pub fn stranger() -> Self {
        Self { access_key_id: STRANGER.to_owned(), ..Self::tester() }
    }

    /// The whole request.
    pub fn request(&self, operation: &str, body: &str) -> String {
        let headers = [
            ("content-type", "application/x-amz-json-1.1".to_owned()),
            ("host", "127.0.0.1".to_owned()),
            ("x-amz-date", self.date.strftime("%Y%m%dT%H%M%SZ").to_string()),
            ("x-amz-target", format!("TrentService.{operation}")),
        ];
        let authorization = self.authorization(&headers, body);
        let mut request = "POST / HTTP/1.1\r\n".to_owned();
        for (name, value) in &headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        let bytes = body.len();
        write!(request, "authorization: {authorization}\r\ncontent-length: {bytes}\r\n\r\n{body}")
            .unwrap();
        request
    }

    /// The header, with all of `headers` signed; their names are in lower case and in order.
    pub fn authorization(&self, headers: &[(&str, String)], body: impl AsRef<[u8]>) -> String {
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let lines = lines.concat();
        let canonical = format!("POST\n/\n\n{lines}\n{names}\n{}", hex(&Sha256::digest(body)));
        let date = self.date.strftime("%Y%m%dT%H%M%SZ").to_string();
        let scope = format!("{}/{}/kms/aws4_request", &date[..8], self.region);
        let digest = hex(&Sha256::digest(canonical));
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}");
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [&date[..8], &self.region, "kms", "aws4_request", &text] {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            mac.update(part.as_bytes());
            key = mac.finalize().into_bytes().to_vec();
        }
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}",
            self.access_key_id,
            hex(&key)
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}
