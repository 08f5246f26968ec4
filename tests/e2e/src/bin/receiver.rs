//! `receiver ADDRESS FOLDER`: takes POSTs and keeps each as a file, for tests that must listen in a namespace of its own.
//!
//! Promises nothing to clients but an answer: 200 for a path with `/cb/`, 404 for others. Each request becomes `FOLDER/<n>.json` with
//! its path and body, written whole.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use anyhow::Context as _;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (address, folder) = (args.next().context("ADDRESS")?, args.next().context("FOLDER")?);
    let listener = TcpListener::bind(&address).with_context(|| format!("listen on {address}"))?;
    for (number, stream) in listener.incoming().enumerate() {
        if let Err(error) = serve(stream?, Path::new(&folder), number) {
            println!("request {number}: {error:#}");
        }
    }
    Ok(())
}

fn serve(stream: TcpStream, folder: &Path, number: usize) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).context("a request line")?.to_owned();
    let mut length = 0_u64;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        if header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
    }
    let mut body = String::new();
    reader.by_ref().take(length).read_to_string(&mut body)?;
    let kept = serde_json::json!({ "path": path, "body": body });
    let temporary = folder.join(format!(".{number}"));
    std::fs::write(&temporary, kept.to_string())?;
    std::fs::rename(temporary, folder.join(format!("{number}.json")))?;
    let status = if path.contains("/cb/") { "200 OK" } else { "404 Not Found" };
    let mut stream = reader.into_inner();
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}")?;
    Ok(())
}
