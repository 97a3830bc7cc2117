//! Talks to the administration API of a running broker.

use std::path::PathBuf;
use std::time::Duration;

use sabir_admin::api::{Page, Selection};
use sabir_admin::failure::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::{Agent, Body};

use super::arguments;
use super::error::CliError;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: u64 = 1 << 30;
const PAGE_ROWS: usize = 5_000;

/// Where the broker is, and who asks.
#[derive(Debug, clap::Args)]
pub(super) struct ConnectionFlags {
    /// Address of the administration API
    #[arg(
        long,
        env = "SABIR_ADMIN_URL",
        default_value = "http://127.0.0.1:15672",
        global = true
    )]
    url: String,
    /// User name to ask under
    // Commands about users have an argument `user` of their own: ids must differ.
    #[arg(
        id = "caller",
        long = "user",
        value_name = "USER",
        env = "SABIR_USER",
        default_value = "guest",
        global = true
    )]
    user: String,
    /// File with the password, `-` for standard input; without it the environment variable
    /// SABIR_PASSWORD, else `guest`
    #[arg(long, global = true)]
    password_file: Option<PathBuf>,
    /// Namespace (virtual host); without it lists show all and changes happen in `/`
    #[arg(short, long, global = true)]
    pub(super) namespace: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// A client of the administration API.
pub(super) struct Client {
    agent: Agent,
    url: String,
    authorization: String,
}

impl Client {
    /// A client for what the flags name.
    pub(super) fn new(flags: &ConnectionFlags) -> Result<Self, CliError> {
        if !flags.url.starts_with("http://") {
            return Err(CliError::Usage(format!(
                "{:?} is no address of an administration API: it begins with http://",
                flags.url
            )));
        }
        let password = match &flags.password_file {
            Some(path) => arguments::secret(path)?,
            None => std::env::var("SABIR_PASSWORD").unwrap_or_else(|_| "guest".to_owned()),
        };
        let agent = Agent::config_builder()
            .timeout_global(Some(REQUEST_TIMEOUT))
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .into();
        Ok(Self {
            agent,
            url: flags.url.trim_end_matches('/').to_owned(),
            authorization: sabir_admin::http::basic_authorization(&flags.user, &password),
        })
    }

    /// A document.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let response = self.agent.run(self.request(Method::GET, path, ())?);
        self.document(response)
    }

    /// All rows of a list.
    pub(super) fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        mut selection: Selection,
    ) -> Result<Vec<T>, CliError> {
        let mut rows = Vec::new();
        selection.limit = Some(PAGE_ROWS);
        loop {
            let page: Page<T> = self.get(&format!("{path}?{}", query(&selection)))?;
            let last = page.items.is_empty() || page.offset + page.items.len() >= page.total;
            selection.offset += page.items.len();
            rows.extend(page.items);
            if last {
                return Ok(rows);
            }
        }
    }

    /// Creates or replaces what the path names.
    pub(super) fn put(&self, path: &str, body: &impl Serialize) -> Result<(), CliError> {
        self.answered(self.send(Method::PUT, path, body)?).map(drop)
    }

    /// Has the broker do something that answers nothing.
    pub(super) fn act(&self, path: &str, body: &impl Serialize) -> Result<(), CliError> {
        self.answered(self.send(Method::POST, path, body)?)
            .map(drop)
    }

    /// Has the broker do something that answers a document.
    pub(super) fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, CliError> {
        let response = self.send(Method::POST, path, body)?;
        self.document(Ok(response))
    }

    /// Deletes what the path names.
    pub(super) fn delete(&self, path: &str) -> Result<(), CliError> {
        let response = self.agent.run(self.request(Method::DELETE, path, ())?);
        self.answered(self.reached(response)?).map(drop)
    }

    /// Deletes what the path names and returns what is said about it.
    pub(super) fn delete_for<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let response = self.agent.run(self.request(Method::DELETE, path, ())?);
        self.document(response)
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Response<Body>, CliError> {
        let body = serde_json::to_vec(body).map_err(|error| CliError::Failed(error.to_string()))?;
        let response = self.agent.run(self.request(method, path, body)?);
        self.reached(response)
    }

    fn request<B>(&self, method: Method, path: &str, body: B) -> Result<Request<B>, CliError> {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", &self.authorization)
            .header("content-type", "application/json")
            .body(body)
            .map_err(|error| CliError::Usage(format!("{:?}: {error}", self.url)))
    }

    fn reached(
        &self,
        response: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, CliError> {
        response.map_err(|error| CliError::Unreachable {
            url: self.url.clone(),
            reason: error.to_string(),
        })
    }

    fn document<T: DeserializeOwned>(
        &self,
        response: Result<Response<Body>, ureq::Error>,
    ) -> Result<T, CliError> {
        let bytes = self.answered(self.reached(response)?)?;
        serde_json::from_slice(&bytes).map_err(|error| {
            CliError::Failed(format!(
                "the answer of {} is not understood: {error}",
                self.url
            ))
        })
    }

    fn answered(&self, mut response: Response<Body>) -> Result<Vec<u8>, CliError> {
        let status = response.status();
        let body = response
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_vec();
        let bytes = self.readable(body)?;
        if status.is_success() {
            return Ok(bytes);
        }
        Err(problem(status, &bytes).into())
    }

    fn readable(&self, body: Result<Vec<u8>, ureq::Error>) -> Result<Vec<u8>, CliError> {
        body.map_err(|error| CliError::Unreachable {
            url: self.url.clone(),
            reason: error.to_string(),
        })
    }
}

fn problem(status: StatusCode, bytes: &[u8]) -> Problem {
    serde_json::from_slice(bytes).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(bytes);
        Problem::new(status, format!("{status}: {}", text.trim()))
    })
}

fn query(selection: &Selection) -> String {
    let mut parts = vec![format!("offset={}", selection.offset)];
    parts.extend(selection.limit.map(|limit| format!("limit={limit}")));
    parts.extend(
        selection
            .rates_ms
            .map(|interval| format!("rates_ms={interval}")),
    );
    if let Some(namespace) = &selection.namespace {
        parts.push(format!(
            "namespace={}",
            sabir_admin::route::escape(namespace)
        ));
    }
    parts.join("&")
}
