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
    let start_both = || Ok([demo::start_provider(false)?, demo::start_provider(true)?]);
    let providers = match start_both() {
        Ok(providers) => providers,
        Err::<_, std::io::Error>(error) => {
            return fail(&format!("the simulated providers do not start: {error}"));
        }
    };
    let (key, poor) = match (demo::generate_key(), demo::generate_key()) {
        (Ok(key), Ok(poor)) => (key, poor),
        (Err(error), _) | (_, Err(error)) => return fail(&format!("there is no key: {error}")),
    };
    let shop = match demo::Shop::open() {
        Ok(shop) => shop,
        Err(error) => return fail(&format!("there is no store for the demonstration: {error}")),
    };
    let start = |listen: SocketAddr| start(providers, listen, [&key, &poor], &shop);
    let running = match args.listen {
        Some(listen) => start(listen),
        None => start((Ipv4Addr::LOCALHOST, 8080).into())
            .or_else(|_| start((Ipv4Addr::LOCALHOST, 0).into())),
    };
    let running = match running {
        Ok(running) => running,
        Err(message) => return fail(&message),
    };
    let code = print(&demo::guide(running.address(), &running.catalog(), [&key, &poor]));
    if code != 0 {
        return code;
    }
    match running.run_until_signal() {
        Ok(()) => 0,
        Err(failure) => fail(&failure.to_string()),
    }
}

fn start(
    providers: [SocketAddr; 2],
    listen: SocketAddr,
    keys: [&ApiKey; 2],
    shop: &demo::Shop,
) -> Result<Running, String> {
    let config =
        demo::configuration(providers, listen, keys, shop).map_err(|errors| errors.to_string())?;
    standalone::start(config, None).map_err(|failure| failure.to_string())
}
