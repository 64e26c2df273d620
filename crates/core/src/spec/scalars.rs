//! What a single value of the file can mean, each as one function from text to type.
//!
//! A function looks at its value alone; what two values mean together is decided in [`check`](super::check).

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::diagnostic::{listed, nearest};
use super::model::{FloatingIp, MonitoringPoint};
use super::reader::Unfit;
use super::tree::Scalar;
use crate::address::{AddressRange, RangeError};

type Result<T> = std::result::Result<T, Unfit>;

fn unfit<T>(message: impl Into<String>, expected: impl Into<String>, hint: impl Into<String>) -> Result<T> {
    Err(Unfit { message: message.into(), expected: expected.into(), hint: Some(hint.into()) })
}

/// Any text but an empty one, on one line.
pub(super) fn text(scalar: &Scalar) -> Result<String> {
    match scalar.text.trim() {
        "" => unfit("the text is empty", "a name", "write a name, or leave the field out if it has a default"),
        text if text.chars().any(char::is_control) => {
            unfit("the text has several lines or control characters", "one line", "write it on one line")
        }
        text => Ok(text.to_owned()),
    }
}

/// The name of an entry of clouds.yaml that can be part of a file name.
pub(super) fn cloud(scalar: &Scalar) -> Result<String> {
    let name = text(scalar)?;
    if name.contains('/') {
        return unfit(
            format!("`{name}` holds a `/`"),
            "an entry of clouds.yaml",
            "the cloud's name is part of the overlay's file name; rename the entry",
        );
    }
    Ok(name)
}

/// A whole number from `least` to `most`.
pub(super) fn whole<N: TryFrom<u64>>(least: u64, most: u64) -> impl Fn(&Scalar) -> Result<N> {
    move |scalar| {
        let expected = format!("a whole number from {least} to {most}");
        let text = &scalar.text;
        let number = text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        match number {
            Some(_) if !scalar.is_plain() => {
                unfit(format!("`{text}` is quoted and so a text"), expected, "remove the quotes")
            }
            Some(number) if (least..=most).contains(&number) => {
                N::try_from(number).or_else(|_| unfit(format!("`{text}` is too large"), expected, "lower it"))
            }
            Some(number) if number < least => {
                unfit(format!("{number} is too small"), expected, format!("the least is {least}"))
            }
            Some(number) => unfit(format!("{number} is too large"), expected, format!("the most is {most}")),
            None => unfit(format!("`{text}` is not a whole number"), expected, "write it in digits alone"),
        }
    }
}

/// A TCP port.
pub(super) fn port(scalar: &Scalar) -> Result<u16> {
    whole(1, 65_535)(scalar)
}

/// One of `words`, by its place among them.
pub(super) fn choice<T: Clone>(words: &'static [&'static str], values: &[T]) -> impl Fn(&Scalar) -> Result<T> {
    let values = values.to_vec();
    move |scalar| {
        let text = &scalar.text;
        if let Some(value) = words.iter().position(|word| word == text).and_then(|index| values.get(index)) {
            return Ok(value.clone());
        }
        let expected = format!("one of {}", listed(words.iter().copied()));
        let hint = match nearest(text, words.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write {expected}"),
        };
        unfit(format!("`{text}` is not known"), expected, hint)
    }
}

/// An IPv4 address that one machine can have.
pub(super) fn address(scalar: &Scalar) -> Result<Ipv4Addr> {
    const EXPECTED: &str = "an IPv4 address";
    let text = scalar.text.trim();
    match text.parse::<Ipv4Addr>() {
        Ok(address) if address.is_unspecified() || address.is_multicast() || address.is_broadcast() => {
            unfit(format!("no machine can have the address `{address}`"), EXPECTED, "take one of the subnet")
        }
        Ok(address) => Ok(address),
        Err(_) => {
            let hint = match text {
                text if text.contains(':') => "stacks use IPv4 addresses for now",
                text if text.contains('/') => "write the address alone, without `/` and what follows",
                _ => "four numbers from 0 to 255 with dots in between, such as `192.168.0.100`",
            };
            unfit(format!("`{text}` is not an IPv4 address"), EXPECTED, hint)
        }
    }
}

/// An IPv4 network in CIDR notation, without bits after its prefix.
pub(super) fn cidr(scalar: &Scalar) -> Result<Ipv4Net> {
    const EXPECTED: &str = "an IPv4 network in CIDR notation";
    let text = scalar.text.trim();
    match text.parse::<Ipv4Net>() {
        Ok(net) if net.addr() != net.network() => unfit(
            format!("`{text}` has bits after its prefix"),
            EXPECTED,
            format!("write `{}` for the network, or `{}/32` for the one address", net.trunc(), net.addr()),
        ),
        Ok(net) => Ok(net),
        Err(_) => {
            let hint = match text.parse::<Ipv4Addr>() {
                Ok(address) => format!("write `{address}/32` for this one address"),
                Err(_) => "such as `192.168.0.0/24`, or `0.0.0.0/0` for everyone".to_owned(),
            };
            unfit(format!("`{text}` is not a network"), EXPECTED, hint)
        }
    }
}

/// An inclusive range of IPv4 addresses.
pub(super) fn range(scalar: &Scalar) -> Result<AddressRange> {
    scalar.text.trim().parse().or_else(|error: RangeError| {
        let hint = match &error {
            RangeError::Form(_) => "write the first and the last address with a `-` in between",
            RangeError::Backwards(_) => "exchange the two addresses",
        };
        unfit(error.to_string(), "a range of IPv4 addresses", hint)
    })
}

/// `true`, `false` or the floating IP itself.
pub(super) fn floating_ip(scalar: &Scalar) -> Result<FloatingIp> {
    const EXPECTED: &str = "`true`, `false` or an address";
    match scalar.text.as_str() {
        "true" if scalar.is_plain() => Ok(FloatingIp::Any),
        "false" if scalar.is_plain() => Ok(FloatingIp::No),
        text => match address(scalar) {
            Ok(address) => Ok(FloatingIp::Given(address)),
            Err(_) => unfit(
                format!("`{text}` is not `true`, `false` or an IPv4 address"),
                EXPECTED,
                "`true` takes any floating IP; an address takes that one, which the project has already",
            ),
        },
    }
}

/// An absolute path of a URL.
pub(super) fn path(scalar: &Scalar) -> Result<String> {
    let path = text(scalar)?;
    if path.starts_with('/') && !path.contains(' ') {
        return Ok(path);
    }
    let hint = if path.contains("://") || path.contains(' ') {
        "write the path alone, such as `/healthz`; address and port are known".to_owned()
    } else {
        format!("write `/{}`", path.trim_start_matches('/'))
    };
    unfit(format!("`{path}` is not a path"), "a path that begins with `/`", hint)
}

/// A word that others look something up by.
pub(super) fn word(scalar: &Scalar) -> Result<String> {
    let word = &scalar.text;
    let fits = word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if fits {
        return Ok(word.clone());
    }
    unfit(format!("`{word}` is not a word"), "a word", "use letters, digits, `.`, `_` and `-`, without blanks")
}

/// `limits.cpu` of the engine: a number of CPUs, or a set of them.
pub(super) fn cpus(scalar: &Scalar) -> Result<String> {
    let text = scalar.text.trim();
    let number = |text: &str| text.parse::<u16>().is_ok();
    let part = |part: &str| part.split_once('-').map_or_else(|| number(part), |(a, b)| number(a) && number(b));
    if text != "0" && text.split(',').all(part) {
        return Ok(text.to_owned());
    }
    unfit(
        format!("`{text}` is neither a number of CPUs nor a set of them"),
        "`2`, `0-3` or `1,3`",
        "`2` allows two CPUs, `0-3` and `1,3` pin to those",
    )
}

/// `limits.memory` of the engine: bytes with a unit, or a part of the host's memory.
pub(super) fn memory(scalar: &Scalar) -> Result<String> {
    const UNITS: [&str; 10] = ["%", "B", "kB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB"];
    let text = scalar.text.trim();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = &text[..text.len() - unit.len()];
    if number.parse::<u64>().is_ok_and(|number| number > 0) && UNITS.contains(&unit) {
        return Ok(text.to_owned());
    }
    unfit(
        format!("`{text}` is not an amount of memory"),
        "a number with its unit",
        format!("such as `512MiB` or `25%`; the units are {}", listed(UNITS)),
    )
}

/// The monitoring point that field `name` of a table of [`MONITORING_POINT`](super::fields::MONITORING_POINT) is.
pub(super) fn monitoring_point(name: &str, scalar: &Scalar) -> Result<MonitoringPoint> {
    match name {
        "http" => path(scalar).map(MonitoringPoint::Http),
        "tcp" => port(scalar).map(MonitoringPoint::Tcp),
        "unit" => text(scalar).map(MonitoringPoint::Unit),
        "cloud-init" => choice(&["true"], &[MonitoringPoint::CloudInit])(scalar),
        _ => path(scalar).map(MonitoringPoint::Metrics),
    }
}
