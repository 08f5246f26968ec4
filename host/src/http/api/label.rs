//! The label of a server: a QR code of its page, and what a technician compares with the machine.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use farrier_lifecycle::Server;
use qrcode::{EcLevel, QrCode, render::svg};

use super::extract::Name;
use super::{Api, Problem};
use crate::http::auth::Who;

/// Edge of the code, in the label's units of a tenth of a millimetre; around it stays as much white as scanners ask for.
const CODE: u32 = 230;
/// A line of so many letters fits at size 1: the width that is left, by the usual width of a letter.
const ROOM: usize = 556;

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A line that fits: as large as `most`, smaller where it is long.
fn line(at: u32, text: &str, most: usize, weight: &str) -> String {
    let size = most.min(ROOM / text.chars().count().max(1));
    format!("<text x=\"285\" y=\"{at}\" font-size=\"{size}\" font-weight=\"{weight}\">{}</text>", escape(text))
}

/// The label as SVG, 62 by 29 millimetres: the size of a common label roll.
fn draw(server: &Server, link: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(link.as_bytes(), EcLevel::M).ok()?;
    let modules = u32::try_from(code.width()).ok().filter(|modules| *modules > 0)?;
    let code = code.render::<svg::Color<'_>>().module_dimensions(1, 1).quiet_zone(false).build();
    let code = code.split_once("?>").map_or(code.as_str(), |(_, svg)| svg);
    let scale = f64::from(CODE) / f64::from(modules);
    let facts = &server.facts;
    let lines = [
        facts.model.clone().unwrap_or_default(),
        facts.serial.as_ref().map(|serial| format!("S/N {serial}")).unwrap_or_default(),
        facts.site.as_ref().map(|site| format!("Site {site}")).unwrap_or_default(),
        format!("BMC {}", server.lease.mac),
    ];
    let mut text = line(70, server.label(), 40, "bold");
    for (one, at) in lines.iter().filter(|line| !line.is_empty()).zip((122..).step_by(44)) {
        text.push_str(&line(at, one, 27, "normal"));
    }
    Some(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><svg xmlns=\"http://www.w3.org/2000/svg\" width=\"62mm\" height=\"29mm\" \
         viewBox=\"0 0 620 290\" font-family=\"sans-serif\" role=\"img\"><title>Label of {name}</title><rect width=\"620\" height=\"290\" \
         fill=\"#fff\"/><g transform=\"translate(30 30) scale({scale:.4})\">{code}</g>{text}</svg>",
        name = escape(server.label())
    ))
}

/// A server's label to print.
///
/// A QR code that opens the server's page, and its name, model, serial and BMC MAC.
#[utoipa::path(get, path = "/api/v1/servers/{name}/label.svg", tag = "servers",
    params(("name" = String, Path, description = "Name, id or BMC MAC", max_length = 128)),
    responses((status = 200, content_type = "image/svg+xml", body = String)))]
pub async fn label(State(api): State<Arc<Api>>, Who(who): Who, Name(name): Name) -> Result<Response, Problem> {
    let server = api.named(&who, &name).await?;
    let link = format!("{}/servers/{}", api.public_url(), server.id);
    let Some(svg) = draw(&server, &link) else {
        return Err(Problem::input("", "`api.public_url` is too long for a QR code"));
    };
    Ok(([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response())
}
