//! Small components, written as core modules and wrapped with the contract's own WIT.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// How a component misbehaves.
#[derive(Clone)]
pub struct Hostile {
    pub name: &'static str,
    pub version: &'static str,
    /// Instructions of `read-sensors`, which leave the address of its answer.
    pub body: &'static str,
    /// More functions.
    pub helpers: &'static str,
    /// Instructions before `describe` answers.
    pub describe: &'static str,
    /// What `$ask` asks for.
    pub path: &'static str,
    pub header: &'static str,
    /// Does it export `bmc-driver` too?
    pub driver: bool,
}

impl Default for Hostile {
    fn default() -> Self {
        Self {
            name: "hostile",
            version: "0.1.0",
            body: "(call $nothing)",
            helpers: "",
            describe: "",
            path: "/redfish/v1/",
            header: "accept",
            driver: false,
        }
    }
}

const IMPORTS: &str = r#"
  (import "farrier:provisioning/http@VERSION" "send"
    (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "farrier:provisioning/http@VERSION" "send-many" (func $send_many (param i32 i32 i32 i32)))
  (import "wasi:cli/environment@0.2.6" "get-environment" (func $environment (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $sleep (param i64) (result i32)))
"#;

const WASI: [(&str, &str); 3] = [
    ("io.wit", "package wasi:io@0.2.6; interface poll { resource pollable; }"),
    (
        "cli.wit",
        "package wasi:cli@0.2.6; interface environment { get-environment: func() -> list<tuple<string, string>>; }",
    ),
    (
        "clocks.wit",
        "package wasi:clocks@0.2.6; interface monotonic-clock { use wasi:io/poll@0.2.6.{pollable}; \
         subscribe-duration: func(when: u64) -> pollable; }",
    ),
];

impl Hostile {
    /// The component's bytes.
    pub fn build(&self) -> Vec<u8> {
        let length = |text: &str| text.len().to_string();
        let driver = if self.driver { include_str!("../plugin_hostile/driver.wat") } else { "" };
        let export = if self.driver { "export farrier:provisioning/bmc-driver@VERSION;" } else { "" };
        let wat = include_str!("../plugin_hostile/base.wat")
            .replace("IMPORTS", IMPORTS)
            .replace("HELPERS", &[include_str!("../plugin_hostile/ask.wat"), driver, self.helpers].concat())
            .replace("BODY", self.body)
            .replace("DESCRIBE", self.describe)
            .replace("NAMELEN", &length(self.name))
            .replace("\"NAME\"", &format!("\"{}\"", self.name))
            .replace("PATHLEN", &length(self.path))
            .replace("\"PATH\"", &format!("\"{}\"", self.path))
            .replace("HEADERLEN", &length(self.header))
            .replace("\"HEADER\"", &format!("\"{}\"", self.header))
            .replace("VERSION", self.version);
        let mut module = wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
        let mut resolve = Resolve::default();
        for (name, text) in WASI {
            resolve.push_str(name, text).unwrap();
        }
        self.contract(&mut resolve);
        let world = format!(
            "package test:hostile; world hostile {{
                import farrier:provisioning/http@{version};
                import wasi:cli/environment@0.2.6;
                import wasi:clocks/monotonic-clock@0.2.6;
                export farrier:provisioning/metadata@{version};
                export farrier:provisioning/telemetry@{version};
                {export}
            }}",
            version = self.version,
            export = export.replace("VERSION", self.version)
        );
        let package = resolve.push_str("world.wit", &world).unwrap();
        let world = resolve.select_world(&[package], Some("hostile")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
    }

    /// The contract's folder, under this component's version of it.
    fn contract(&self, resolve: &mut Resolve) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/since_v0.1.0");
        if self.version == "0.1.0" {
            resolve.push_dir(&folder).unwrap();
            return;
        }
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap();
            let text = std::fs::read_to_string(file.path()).unwrap().replace("@0.1.0;", &format!("@{};", self.version));
            std::fs::write(copy.path().join(file.file_name()), text).unwrap();
        }
        resolve.push_dir(copy.path()).unwrap();
    }

    /// Write it into a folder under its name.
    pub fn write(&self, dir: &Path) {
        std::fs::write(dir.join(format!("{}.wasm", self.name)), self.build()).unwrap();
    }
}
