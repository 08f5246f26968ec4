//! `farrier token …`: who else may use the API.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Common;
use super::client::{Client, segment};
use super::output::{self, Format};
use crate::access::{NewToken, Role};
use crate::http::auth::{Made, TokenList};

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make one; it is shown once
    Create(CreateArgs),
    /// All of them, without their secrets
    List,
    /// End one at once
    Revoke {
        /// Its id, from `farrier token list`
        id: String,
    },
}

/// A token to be made.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  farrier token create --name ci --role viewer\n  farrier token create --name rack-phone --role technician --site ams --expires 30d\n  farrier token create --name acme --role tenant --tenant acme"
)]
pub struct CreateArgs {
    /// What it is for; it stands in the journal as `token:NAME`
    #[arg(long)]
    name: String,
    /// What its bearer may do: viewer, technician, operator, approver, admin, tenant; may be given several times
    #[arg(long = "role", required = true, value_name = "ROLE")]
    roles: Vec<Role>,
    /// Slug of a site its bearer sees; may be given several times; absent: every site
    #[arg(long = "site", value_name = "SLUG")]
    sites: Vec<String>,
    /// The tenant whose servers and orders alone its bearer sees
    #[arg(long)]
    tenant: Option<String>,
    /// How long it lives: 12h, 30d, at most 366d
    #[arg(long, default_value = "90d", value_parser = life, value_name = "TIME")]
    expires: Duration,
}

/// `30d`, `12h`, `45m`, `90s`.
pub(super) fn life(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and a unit, such as 30d, 12h or 45m".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text.strip_suffix(unit).unwrap_or_default().parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).filter(|seconds| *seconds > 0).map(Duration::from_secs).ok_or_else(wrong)
}

/// Run one of them.
pub async fn command(common: &Common, command: TokenCommand) -> anyhow::Result<ExitCode> {
    let client = Client::new(common)?;
    match command {
        TokenCommand::Create(args) => create(&client, common.output, args).await?,
        TokenCommand::List => list(&client, common.output).await?,
        TokenCommand::Revoke { id } => {
            client.delete(&format!("/api/v1/tokens/{}", segment(&id))).await?;
            match common.output {
                Format::Json => output::json(&serde_json::json!({ "revoked": id }))?,
                Format::Text => output::line(&format!("{id} is revoked")),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(client: &Client, format: Format, args: CreateArgs) -> anyhow::Result<()> {
    let new = NewToken {
        name: args.name,
        roles: args.roles.into_iter().collect(),
        sites: (!args.sites.is_empty()).then(|| args.sites.into_iter().collect()),
        tenant: args.tenant,
        seconds: Some(args.expires.as_secs()),
    };
    let made: Made = client.post("/api/v1/tokens", &new).await?;
    match format {
        Format::Json => output::json(&made)?,
        Format::Text => {
            output::line(&made.secret);
            output::line(&format!("id {}, until {}; it is not shown again", made.token.id, made.token.expires));
        }
    }
    Ok(())
}

async fn list(client: &Client, format: Format) -> anyhow::Result<()> {
    let Some(tokens) = client.get::<TokenList>("/api/v1/tokens").await? else { return Err(client.no_host()) };
    if format == Format::Json {
        return output::json(&tokens);
    }
    let words = |list: Vec<String>| if list.is_empty() { "all".to_owned() } else { list.join(", ") };
    let rows = tokens.items.into_iter().map(|one| {
        vec![
            one.id,
            one.name,
            words(one.roles.iter().map(ToString::to_string).collect()),
            words(one.sites.into_iter().flatten().collect()),
            one.tenant.unwrap_or_else(|| "-".to_owned()),
            if one.expired { "expired".to_owned() } else { one.expires },
            one.last_used.unwrap_or_else(|| "never".to_owned()),
        ]
    });
    output::table(&["ID", "NAME", "ROLES", "SITES", "TENANT", "UNTIL", "LAST USED"], rows.collect(), "no tokens");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_a_number_and_a_unit() {
        assert_eq!(life("30d").unwrap(), Duration::from_hours(30 * 24));
        assert_eq!(life("45m").unwrap(), Duration::from_mins(45));
        for wrong in ["", "d", "30", "3w", "-1d", "0h", "30dd", "99999999999999999999d", "1é"] {
            assert!(life(wrong).is_err(), "{wrong}");
        }
    }
}
