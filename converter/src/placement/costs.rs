//! What links, devices and servers cost: a TOML file of the user's own measurements.

use std::path::Path;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Costs around the network. Nothing here is assumed: what is left out is measured on this machine, or has no column.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// Between device and server.
    pub link: Link,
    /// The device, where it is not this machine.
    #[serde(default)]
    pub device: Device,
    /// The server, where it is not this machine.
    #[serde(default)]
    pub server: Server,
}

/// A link.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Bits a second.
    pub bandwidth: f64,
    /// Seconds from sending an empty packet to having its reply.
    pub round_trip: f64,
    /// Bytes that the link adds to a packet and its reply together; those of UDP over IPv4 where left out.
    #[serde(default = "udp_overhead")]
    pub overhead: f64,
    /// Joules that a byte costs the device, sent or received.
    pub energy_per_byte: Option<f64>,
    /// It was measured by requests to a server, whose queue and threads are in it.
    #[serde(skip)]
    pub is_measured: bool,
}

/// Two headers of UDP and IPv4.
fn udp_overhead() -> f64 {
    56.0
}

/// A device.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Seconds of each operation of the whole network with its exits, in the order in which they run, measured there.
    pub operations: Option<Vec<f64>>,
    /// Of the network that they were measured with, eight hexadecimal digits.
    pub pair_id: Option<String>,
    /// Watts while it computes.
    pub power: Option<f64>,
    /// It is this machine all the same: what its packets take is measured.
    #[serde(skip)]
    pub is_here: bool,
}

/// A server.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// As the device's.
    pub operations: Option<Vec<f64>>,
    /// As the device's.
    pub pair_id: Option<String>,
    /// Of an hour of it, in the user's currency.
    pub price_per_hour: Option<f64>,
}

/// Costs cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CostsError {
    /// The file cannot be read.
    #[error("{0}")]
    Read(#[from] std::io::Error),
    /// It is not TOML of this shape.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A number that makes no sense.
    #[error("{what} is {value}: it has to be {range}")]
    Range {
        /// Which.
        what: &'static str,
        /// What it is.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// Times without the network that they are of, or of another one.
    #[error(
        "the {whose} operations were measured with network {}, this is {network:08x}",
        found.as_deref().unwrap_or("(no pair_id given)")
    )]
    OtherNetwork {
        /// `device's` or `server's`.
        whose: &'static str,
        /// What the file says.
        found: Option<String>,
        /// This one.
        network: u32,
    },
    /// Too few or too many times.
    #[error("the {whose} operations are {found}, the network with its exits has {needed}")]
    Count {
        /// `device's` or `server's`.
        whose: &'static str,
        /// There.
        found: usize,
        /// The network's.
        needed: usize,
    },
}

impl Costs {
    /// Reads a file.
    ///
    /// # Errors
    /// It is none, or has numbers that make no sense.
    pub fn read(path: &Path) -> Result<Self, CostsError> {
        Self::parse(&std::fs::read_to_string(path)?)
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(text: &str) -> Result<Self, CostsError> {
        let costs: Self = toml::from_str(text)?;
        let above = |what: &'static str, value: f64| {
            let sound = value.is_finite() && value > 0.0;
            if sound { Ok(()) } else { Err(CostsError::Range { what, value, range: "above 0" }) }
        };
        let not_below = |what: &'static str, value: Option<f64>| match value {
            Some(value) if !(value.is_finite() && value >= 0.0) => {
                Err(CostsError::Range { what, value, range: "0 or more" })
            }
            _ => Ok(()),
        };
        above("link.bandwidth", costs.link.bandwidth)?;
        not_below("link.round_trip", Some(costs.link.round_trip))?;
        not_below("link.overhead", Some(costs.link.overhead))?;
        not_below("link.energy_per_byte", costs.link.energy_per_byte)?;
        not_below("device.power", costs.device.power)?;
        not_below("server.price_per_hour", costs.server.price_per_hour)?;
        for time in [&costs.device.operations, &costs.server.operations].into_iter().flatten().flatten() {
            not_below("a time in operations", Some(*time))?;
        }
        Ok(costs)
    }

    /// Watts of the device, and joules a byte; `None` unless both are known.
    #[must_use]
    pub fn energy(&self) -> Option<(f64, f64)> {
        self.device.power.zip(self.link.energy_per_byte)
    }

    /// That times given are this network's.
    pub(super) fn check(&self, pair_id: u32, operations: usize) -> Result<(), CostsError> {
        for (whose, times, found) in [
            ("device's", &self.device.operations, &self.device.pair_id),
            ("server's", &self.server.operations, &self.server.pair_id),
        ] {
            let Some(times) = times else { continue };
            let said = found.as_deref().and_then(|id| u32::from_str_radix(id, 16).ok());
            if said != Some(pair_id) {
                return Err(CostsError::OtherNetwork { whose, found: found.clone(), network: pair_id });
            }
            if times.len() != operations {
                return Err(CostsError::Count { whose, found: times.len(), needed: operations });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Costs;

    const SOUND: &str = "[link]\nbandwidth = 1e6\nround_trip = 0.02\n";

    #[test]
    fn numbers_without_sense_are_refused() {
        assert!(Costs::parse(SOUND).is_ok());
        for (from, to, word) in [
            ("1e6", "0", "link.bandwidth is 0"),
            ("1e6", "-5", "link.bandwidth is -5"),
            ("1e6", "nan", "link.bandwidth"),
            ("0.02", "-1", "link.round_trip"),
            ("0.02", "inf", "link.round_trip"),
            ("[link]", "[link]\nenergy_per_byte = -1", "energy_per_byte"),
            ("[link]", "[link]\nspeed = 1", "speed"),
            ("0.02\n", "0.02\n[device]\noperations = [-1.0]", "operations"),
        ] {
            let error = Costs::parse(&SOUND.replace(from, to)).expect_err(to).to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn times_of_another_network_are_refused() {
        let costs = |device: &str| Costs::parse(&format!("{SOUND}[device]\n{device}")).unwrap();
        let with = costs("operations = [1e-6, 2e-6]\npair_id = \"0000000a\"");
        assert!(with.check(10, 2).is_ok());
        assert!(with.check(11, 2).unwrap_err().to_string().contains("0000000a, this is 0000000b"));
        assert!(with.check(10, 3).unwrap_err().to_string().contains("are 2, the network with its exits has 3"));
        assert!(costs("operations = [1e-6]").check(10, 1).is_err());
    }
}
