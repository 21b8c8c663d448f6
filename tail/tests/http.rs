//! The protocol over HTTP, byte by byte.

mod support;

use core::time::Duration;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};
use support::{Response, Server, drip, in_process, request, send_raw};

const INFER: &str = "/v2/models/tail/infer";
const FEATURES: [f32; 3] = [0.5, 1.25, 2.0];

fn get(server: &Server, path: &str) -> Response {
    request(server.http(), "GET", path, &[], &[])
}

fn post(server: &Server, body: &Value) -> Response {
    request(server.http(), "POST", INFER, &[], body.to_string().as_bytes())
}

/// A request of the binary extension: JSON, and tensor bytes behind it.
fn post_binary(server: &Server, json: &Value, tensor: &[u8]) -> Response {
    let json = json.to_string();
    let headers = [("Inference-Header-Content-Length", json.len().to_string())];
    request(server.http(), "POST", INFER, &headers, &[json.as_bytes(), tensor].concat())
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn json_request(data: Value, rows: usize) -> Value {
    json!({ "inputs": [{ "name": "features", "shape": [rows, 3], "datatype": "FP32", "data": data }] })
}

fn binary_request(datatype: &str, rows: usize, size: usize) -> Value {
    let parameters = json!({ "binary_data_size": size });
    json!({ "inputs": [{ "name": "features", "shape": [rows, 3], "datatype": datatype, "parameters": parameters }] })
}

#[test]
fn health_and_metadata() {
    let server = Server::start();
    for path in ["/v2/health/live", "/v2/health/ready", "/v2/models/tail/ready", "/v2/models/tail/versions/1/ready"] {
        assert_eq!(get(&server, path).status, 200, "{path}");
    }
    let about = get(&server, "/v2").json();
    assert_eq!((&about["name"], &about["extensions"]), (&json!("lacewing"), &json!(["binary_tensor_data"])));
    let model = get(&server, "/v2/models/tail/versions/1").json();
    assert_eq!(model["inputs"], json!([{ "name": "features", "datatype": "FP32", "shape": [-1, 3] }]));
    assert_eq!(model["outputs"][0], json!({ "name": "logits", "datatype": "FP32", "shape": [-1, 2] }));
    assert_eq!(model["parameters"], json!({ "pair_id": 7, "split": 1 }));
}

#[test]
fn json_answers_as_in_process() {
    let server = Server::start();
    let (class, logits) = in_process(&FEATURES);
    for data in [json!(FEATURES), json!([FEATURES])] {
        let mut body = json_request(data, 1);
        body["id"] = json!("seven");
        let response = post(&server, &body);
        assert_eq!(response.status, 200, "{}", response.head);
        let answer = response.json();
        assert_eq!((&answer["id"], &answer["model_name"]), (&json!("seven"), &json!("tail")));
        assert_eq!(answer["outputs"][0]["data"], json!(logits));
        assert_eq!(
            answer["outputs"][1],
            json!({ "name": "class", "datatype": "UINT16", "shape": [1, 1], "data": [class] })
        );
    }
    let two = post(&server, &json_request(json!([FEATURES, [3.0, 0.0, 0.0]]), 2)).json();
    let both = [logits, in_process(&[3.0, 0.0, 0.0]).1].concat();
    assert_eq!((&two["outputs"][0]["data"], &two["outputs"][0]["shape"]), (&json!(both), &json!([2, 2])));
}

#[test]
fn binary_answers_as_in_process() {
    let server = Server::start();
    let (class, logits) = in_process(&FEATURES);
    let mut asked = binary_request("FP32", 1, 12);
    asked["outputs"] = json!([
        { "name": "class", "parameters": { "binary_data": true } },
        { "name": "exit" },
        { "name": "logits", "parameters": { "binary_data": true } },
    ]);
    let response = post_binary(&server, &asked, &bytes_of(&FEATURES));
    let header: usize = response.header("inference-header-content-length").expect("binary").parse().expect("a number");
    let (head, behind) = response.body.split_at(header);
    let head: Value = serde_json::from_slice(head).expect("JSON");
    assert_eq!(head["outputs"][0]["parameters"]["binary_data_size"], 2);
    assert_eq!(head["outputs"][1]["data"], json!([2]));
    assert_eq!(behind, [&class.to_le_bytes()[..], &bytes_of(&logits)].concat());
    // Half precision holds these features exactly.
    let half: Vec<u8> = [0x3800u16, 0x3d00, 0x4000].iter().flat_map(|half| half.to_le_bytes()).collect();
    let answer = post_binary(&server, &binary_request("FP16", 1, 6), &half);
    assert_eq!(answer.header("inference-header-content-length"), None);
    assert_eq!(answer.json()["outputs"][0]["data"], json!(logits));
}

#[test]
fn a_raw_request_is_the_tensor_alone() {
    let server = Server::start();
    let headers = [("Inference-Header-Content-Length", "0".to_owned())];
    let response = request(server.http(), "POST", INFER, &headers, &bytes_of(&FEATURES));
    let header: usize = response.header("inference-header-content-length").expect("binary").parse().expect("a number");
    let logits = bytes_of(&in_process(&FEATURES).1);
    assert_eq!(response.body[header..][..logits.len()], logits);
    let response = request(server.http(), "POST", INFER, &headers, &[0; 11]);
    assert_eq!((response.status, response.error().contains("12 bytes")), (400, true));
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    let server = Server::start();
    let refused = |change: fn(&mut Value), word: &str| {
        let mut body = json_request(json!(FEATURES), 1);
        change(&mut body);
        let response = post(&server, &body);
        assert_eq!(response.status, 400, "{body}");
        assert!(response.error().contains(word), "{body} gives {}", response.error());
    };
    refused(|body| body["inputs"] = json!([]), "0 inputs");
    refused(|body| body["inputs"] = json!(vec![0; 17]), "JSON");
    refused(|body| body["inputs"] = json!("features"), "JSON");
    refused(|body| body["inputs"][0]["name"] = json!("x"), "\"x\"");
    refused(|body| body["inputs"][0]["datatype"] = json!("INT64"), "INT64");
    refused(|body| body["inputs"][0]["shape"] = json!([1, 4]), "[rows, 3]");
    refused(|body| body["inputs"][0]["shape"] = json!([3]), "[rows, 3]");
    refused(|body| body["inputs"][0]["shape"] = json!([0, 3]), "[rows, 3]");
    refused(|body| body["inputs"][0]["shape"] = json!([u64::MAX, 3]), "at most 131072");
    refused(|body| body["inputs"][0]["shape"] = json!([-1, 3]), "JSON");
    refused(|body| body["inputs"][0]["data"] = json!([1, 2]), "3 values, the data has 2");
    refused(|body| body["inputs"][0]["data"] = json!([1, 2, 1e300]), "value 2 is NaN or infinite");
    refused(|body| body["inputs"][0]["data"] = json!([1, 2, "3"]), "JSON");
    refused(|body| body["inputs"][0]["data"] = Value::Null, "either data or binary_data_size");
    refused(|body| body["inputs"][0]["parameters"] = json!({ "binary_data_size": 12 }), "either data or");
    refused(|body| body["inputs"][0]["parameters"] = json!({ "shared_memory_region": "r" }), "shared memory");
    refused(|body| body["outputs"] = json!([{ "name": "y" }]), "\"y\"");
    refused(|body| body["outputs"] = json!([{ "name": "logits" }, { "name": "class" }, { "name": "logits" }]), "twice");
    refused(
        |body| body["parameters"] = json!({ "pair_id": 8 }),
        "pair id 00000008, the model tail has pair id 00000007",
    );
    let broken = request(server.http(), "POST", INFER, &[], &[&b"[".repeat(100_000)[..]].concat());
    assert_eq!(broken.status, 400);
    let deep = format!(
        "{{\"inputs\":[{{\"name\":\"features\",\"shape\":[1,3],\"datatype\":\"FP32\",\"data\":{}",
        "[".repeat(200_000)
    );
    assert_eq!(request(server.http(), "POST", INFER, &[], deep.as_bytes()).status, 400);
}

#[test]
fn logits_that_are_not_finite_are_no_answer() {
    let server = Server::start();
    // Finite features whose sums are not, in the second row.
    let rows = [FEATURES, [f32::MAX; 3]].concat();
    let json = post(&server, &json_request(json!(rows), 2));
    let binary = post_binary(&server, &binary_request("FP32", 2, 24), &bytes_of(&rows));
    for response in [json, binary] {
        assert_eq!(response.status, 422, "{}", response.head);
        assert!(response.error().contains("row 1 are not finite"), "{}", response.error());
    }
    assert_eq!(post(&server, &json_request(json!(FEATURES), 1)).status, 200);
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let server = Server::start();
    let tensor = bytes_of(&FEATURES);
    let refused = |json: &Value, tensor: &[u8], word: &str| {
        let response = post_binary(&server, json, tensor);
        assert_eq!((response.status, response.error().contains(word)), (400, true), "{}", response.error());
    };
    refused(&binary_request("FP32", 1, 12), &tensor[..11], "12 bytes behind the JSON, there are 11");
    refused(&binary_request("FP32", 1, 12), &[&tensor[..], &[0]].concat(), "there are 13");
    refused(&binary_request("FP32", 1, 16), &tensor, "binary_data_size is 16");
    refused(&binary_request("FP32", 2, 12), &tensor, "make 24 bytes, binary_data_size is 12");
    refused(&binary_request("FP64", 1, 24), &[0; 24], "FP64");
    refused(&binary_request("FP32", 1, 12), &bytes_of(&[0.0, f32::NAN, 0.0]), "value 1 is NaN");
    let without = [binary_request("FP32", 1, 12).to_string().as_bytes(), &tensor].concat();
    let response = request(server.http(), "POST", INFER, &[], &without);
    assert_eq!((response.status, response.error().contains("Inference-Header-Content-Length")), (400, true));
    for (header, word) in [("999", "is 999, the body has"), ("-1", "no number"), ("99999999999999999999", "no number")]
    {
        let headers = [("Inference-Header-Content-Length", header.to_owned())];
        let response = request(server.http(), "POST", INFER, &headers, &without);
        assert_eq!((response.status, response.error().contains(word)), (400, true), "{}", response.error());
    }
}

#[test]
fn addresses_that_are_none() {
    let server = Server::start();
    for path in [
        "/",
        "/v2/models/other",
        "/v2/models/tail/versions/2",
        "/v2/models/..%2f..%2fetc%2fpasswd/ready",
        "/v2/models/tail.lace",
    ] {
        let response = get(&server, path);
        assert_eq!(response.status, 404, "{path}");
        assert!(!response.error().is_empty());
    }
    assert_eq!(get(&server, INFER).status, 405);
    assert_eq!(send_raw(server.http(), b"GET / HTTP/9.9\r\n\r\n").status, 400);
}

#[test]
fn bodies_have_a_limit() {
    let server = Server::with(|config| config.limits.body = 1000);
    let response = request(server.http(), "POST", INFER, &[], &[b' '; 1001]);
    assert_eq!((response.status, response.error().contains("at most 1000 bytes")), (413, true));
    // The same without saying so beforehand.
    let piece = [&b"400\r\n"[..], &[b' '; 0x400], b"\r\n0\r\n\r\n"].concat();
    let head = format!("POST {INFER} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(send_raw(server.http(), &[head.as_bytes(), &piece].concat()).status, 413);
    let long = format!("GET /v2 HTTP/1.1\r\nHost: t\r\nLong: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(send_raw(server.http(), long.as_bytes()).status, 431);
    let headers = [("Content-Encoding", "gzip".to_owned())];
    assert_eq!(request(server.http(), "POST", INFER, &headers, b"{}").status, 415);
}

#[test]
fn want_of_room_is_503_with_retry_after() {
    // Room for one body: it is taken by a request whose body does not come.
    let server = Server::with(|config| {
        config.limits.body = 1000;
        config.bodies = 1000;
    });
    let mut slow = TcpStream::connect(server.http()).expect("connects");
    let head = format!("POST {INFER} HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n");
    slow.write_all(head.as_bytes()).expect("sent");
    // Said once the room is taken.
    let mut said = [0; 12];
    slow.read_exact(&mut said).expect("a status");
    assert_eq!(&said, b"HTTP/1.1 100");
    let refused = post(&server, &json_request(json!(FEATURES), 1));
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    drop(slow);
    let until = Instant::now() + Duration::from_secs(3);
    while post(&server, &json_request(json!(FEATURES), 1)).status != 200 {
        assert!(Instant::now() < until, "the room is not given back");
    }
}

#[test]
fn slow_clients_are_cut_off() {
    let server = Server::with(|config| {
        config.limits.time = Duration::from_millis(200);
        config.limits.idle = Duration::from_millis(200);
    });
    let head = format!("POST {INFER} HTTP/1.1\r\nHost: t\r\nContent-Length: 900\r\n\r\n{{");
    for piece in ["", "GET /v2 HT", head.as_str()] {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(server.http()).expect("connects");
        stream.write_all(piece.as_bytes()).expect("sent");
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        assert!(begun.elapsed() < Duration::from_secs(4), "{piece:?} kept a connection");
    }
}

#[test]
fn clients_that_drip_are_cut_off() {
    let server = Server::with(|config| {
        config.limits.time = Duration::from_millis(200);
        config.limits.idle = Duration::from_millis(400);
    });
    let head = format!("POST {INFER} HTTP/1.1\r\nHost: t\r\nContent-Length: 90000\r\n\r\n{{");
    for begin in ["GET /v2 HTTP/1.1\r\nLong: ", head.as_str()] {
        drip(server.http(), begin.as_bytes());
    }
}

#[test]
fn connections_have_a_limit_and_come_free_again() {
    let server = Server::with(|config| {
        config.limits.connections = 2;
        config.limits.idle = Duration::from_millis(300);
    });
    let _idle: Vec<_> = (0..6).map(|_| TcpStream::connect(server.http()).expect("connects")).collect();
    assert_eq!(get(&server, "/v2/health/live").status, 200);
}

#[test]
fn a_stopped_server_finishes_what_it_has_begun() {
    let mut server = Server::start();
    let body = json_request(json!(FEATURES), 1).to_string();
    let (first, rest) = body.split_at(20);
    let mut stream = TcpStream::connect(server.http()).expect("connects");
    let head = format!("POST {INFER} HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n{first}", body.len());
    stream.write_all(head.as_bytes()).expect("sent");
    std::thread::sleep(Duration::from_millis(200));
    let rest = rest.to_owned();
    let ending = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        stream.write_all(rest.as_bytes()).expect("sent");
        let mut all = String::new();
        stream.read_to_string(&mut all).expect("answered and closed");
        all
    });
    server.stop();
    assert!(ending.join().expect("answered").starts_with("HTTP/1.1 200"));
}
