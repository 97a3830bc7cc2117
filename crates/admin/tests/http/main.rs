//! The administration API over real sockets, on a fake broker.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod fake;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use sabir_admin::http::{Limits, router, serve};
use sabir_admin::route;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// "guest:guest" in base 64.
const GUEST: &str = "Basic Z3Vlc3Q6Z3Vlc3Q=";
/// "watcher:eyes" in base 64.
const WATCHER: &str = "Basic d2F0Y2hlcjpleWVz";

struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<()>>,
    runtime: Runtime,
}

impl Server {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            request_bytes_max: 1024,
            request_timeout: Duration::from_millis(500),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let routes = router(Arc::new(fake::Fake::default()), limits);
        let task = runtime.spawn(serve(listener, routes, async {
            let _: Result<(), oneshot::error::RecvError> = stopped.await;
        }));
        Self {
            address,
            stop: Some(stop),
            task: Some(task),
            runtime,
        }
    }

    fn call(&self, method: &str, path: &str, authorization: &str, body: &Value) -> (u16, Value) {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("authorization", authorization)
            .header("content-type", "application/json")
            .body(body.to_string())
            .unwrap();
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .build()
            .into();
        let mut response = agent.run(request).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let url = format!("http://{}{path}", self.address);
        let mut response = agent
            .get(url)
            .header("authorization", GUEST)
            .call()
            .unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Sends these bytes and returns the status line of the answer.
    fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(task) = self.task.take() {
            self.runtime.block_on(task).unwrap();
        }
    }
}

fn queue(name: &str) -> String {
    route::path(route::QUEUE, &["/", name])
}

#[test]
fn a_queue_is_declared_listed_filled_read_and_deleted() {
    let server = Server::start();
    let (status, _) = server.call("PUT", &queue("a/b"), GUEST, &json!({}));
    assert_eq!(status, 204);
    let publish = route::path(route::PUBLISH, &["/"]);
    let message =
        json!({"routing_key": "a/b", "payload": "hello", "properties": {"persistent": true}});
    let (status, published) = server.call("POST", &publish, GUEST, &message);
    assert_eq!((status, &published["routed"]), (200, &json!(true)));

    let (status, list) = server.get("/api/v1/queues?namespace=/");
    assert_eq!(status, 200);
    assert_eq!(list["items"][0]["name"], "a/b");
    assert_eq!(list["items"][0]["ready"], 1);

    let fetch = route::path(route::QUEUE_FETCH, &["/", "a/b"]);
    for (mode, left) in [("peek", 1), ("take", 0)] {
        let (status, messages) = server.call("POST", &fetch, GUEST, &json!({"mode": mode}));
        assert_eq!((status, &messages[0]["payload"]), (200, &json!("hello")));
        let (_, shown) = server.get(&queue("a/b"));
        assert_eq!(shown["ready"], left, "after {mode}");
    }
    let (status, removed) = server.call("DELETE", &queue("a/b"), GUEST, &Value::Null);
    assert_eq!((status, &removed["messages"]), (200, &json!(0)));
    assert_eq!(server.get(&queue("a/b")).0, 404);
}

#[test]
fn rates_are_measured_over_the_interval_asked_for() {
    let server = Server::start();
    server.call("PUT", &queue("q"), GUEST, &json!({}));
    let (status, list) = server.get("/api/v1/queues?rates_ms=100");
    assert_eq!(status, 200);
    assert_eq!(list["items"][0]["rates"]["published"], 0.0);
    assert_eq!(server.get("/api/v1/queues?rates_ms=99").0, 400);
    assert_eq!(server.get("/api/v1/queues?rates_ms=10001").0, 400);
}

#[test]
fn wrong_or_missing_credentials_are_answered_with_a_challenge() {
    let server = Server::start();
    let (status, problem) = server.call("PUT", &queue("q"), "Basic Z3Vlc3Q6eA==", &json!({}));
    assert_eq!((status, &problem["status"]), (401, &json!(401)));
    let host = server.address;
    let answer = server.raw(&format!(
        "GET /api/v1/queues HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    ));
    assert_eq!(answer, "HTTP/1.1 401 Unauthorized");
}

#[test]
fn a_monitor_may_look_and_not_touch() {
    let server = Server::start();
    let (status, problem) = server.call("PUT", &queue("q"), WATCHER, &json!({}));
    assert_eq!(status, 403);
    assert!(problem["detail"].as_str().unwrap().contains("\"watcher\""));
    assert_eq!(server.get("/api/v1/queues").1["total"], 0);
}

#[test]
fn a_request_that_names_a_foreign_host_is_denied_over_loopback() {
    let server = Server::start();
    let answer = server.raw(&format!(
        "GET /api/v1/queues HTTP/1.1\r\nhost: evil.example\r\nauthorization: {GUEST}\r\nconnection: close\r\n\r\n"
    ));
    assert_eq!(answer, "HTTP/1.1 403 Forbidden");
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let server = Server::start();
    let (status, problem) = server.call("PUT", &queue("q"), GUEST, &json!({"durabel": true}));
    assert_eq!(status, 422);
    assert!(
        problem["detail"].as_str().unwrap().contains("durabel"),
        "{problem}"
    );
    let large = json!({"routing_key": "q", "payload": "x".repeat(2000)});
    let publish = route::path(route::PUBLISH, &["/"]);
    assert_eq!(server.call("POST", &publish, GUEST, &large).0, 413);
    let (status, problem) = server.get("/api/v1/nothing");
    assert_eq!((status, &problem["status"]), (404, &json!(404)));
    assert_eq!(
        server.call("POST", "/api/v1/queues", GUEST, &json!({})).0,
        405
    );
    let (status, problem) = server.get("/api/v1/queues?limits=3");
    assert_eq!(status, 400, "{problem}");
    let fetch = route::path(route::QUEUE_FETCH, &["/", "q"]);
    let many = json!({"mode": "peek", "count": 1001});
    assert_eq!(server.call("POST", &fetch, GUEST, &many).0, 400);
}

#[test]
fn a_conflict_is_told_apart_from_a_missing_thing() {
    let server = Server::start();
    server.call("PUT", &queue("q"), GUEST, &json!({}));
    assert_eq!(
        server
            .call("PUT", &queue("q"), GUEST, &json!({"durable": false}))
            .0,
        409
    );
    assert_eq!(
        server
            .call("DELETE", &queue("other"), GUEST, &Value::Null)
            .0,
        404
    );
}

#[test]
fn an_answer_that_does_not_come_is_given_up() {
    let server = Server::start();
    assert_eq!(server.get("/api/v1/namespaces").0, 503);
}

#[test]
fn garbage_is_answered_with_an_error_and_a_close() {
    let server = Server::start();
    assert_eq!(
        server.raw("AMQP\0\0\x09\x01\r\n\r\n"),
        "HTTP/1.1 400 Bad Request"
    );
    let endless = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    let answer = server.raw(&endless);
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}
