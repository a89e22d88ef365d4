use super::{fail, log, print};
use crate::{
    auth::ApiKey,
    demo,
    standalone::{self, Running},
};
use std::net::{Ipv4Addr, SocketAddr};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to listen. Default: 127.0.0.1:8080, or any free port if that is taken.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

pub(super) fn run(args: &Args) -> u8 {
    log::init();
    let provider = match demo::start_provider() {
        Ok(provider) => provider,
        Err(error) => return fail(&format!("the simulated provider does not start: {error}")),
    };
    let key = match demo::generate_key() {
        Ok(key) => key,
        Err(error) => return fail(&format!("there is no key: {error}")),
    };
    let running = match args.listen {
        Some(listen) => start(provider, listen, &key),
        None => start(provider, (Ipv4Addr::LOCALHOST, 8080).into(), &key)
            .or_else(|_| start(provider, (Ipv4Addr::LOCALHOST, 0).into(), &key)),
    };
    let running = match running {
        Ok(running) => running,
        Err(message) => return fail(&message),
    };
    let code = print(&demo::guide(running.address(), running.catalog(), &key));
    if code != 0 {
        return code;
    }
    match running.run_until_signal() {
        Ok(()) => 0,
        Err(failure) => fail(&failure.to_string()),
    }
}

fn start(provider: SocketAddr, listen: SocketAddr, key: &ApiKey) -> Result<Running, String> {
    let config = demo::configuration(provider, listen, key).map_err(|errors| errors.to_string())?;
    standalone::start(&config).map_err(|failure| failure.to_string())
}
