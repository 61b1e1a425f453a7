//! Cores and memory, as people and Compose files write them, in the units of facts.

/// Octets of a mebibyte.
const MIB: u64 = 1 << 20;

/// Thousandths of a core: `4`, `0.5`.
///
/// # Errors
/// What to write instead.
pub(crate) fn cpu_millis(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no number of cores; write `4`, `0.5` or `0.125`");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    // What is finer than a thousandth is no more than zeros.
    let (part, rest) = part.split_at_checked(part.len().min(3)).ok_or_else(wrong)?;
    if !digits(whole)
        || !digits(part)
        || whole.len() + part.len() == 0
        || rest.bytes().any(|octet| octet != b'0')
    {
        return Err(wrong());
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| wrong())? };
    let part: u64 = format!("{part:0<3}").parse().map_err(|_| wrong())?;
    whole.checked_mul(1000).and_then(|millis| millis.checked_add(part)).ok_or_else(wrong)
}

/// Mebibytes, the next ones up: `8GiB`, `512MiB`, `64m`; without a unit, octets. Every unit is one of 1024, as in Compose files.
///
/// # Errors
/// What to write instead.
pub(crate) fn memory_mib(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no amount of memory; write `8GiB` or `512MiB`");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => MIB,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return Err(wrong()),
    };
    let octets = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    octets.map(|octets| octets.div_ceil(MIB)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_thousandths() {
        for (text, millis) in
            [("4", 4000), ("0.5", 500), (".25", 250), ("1.", 1000), ("0.1250", 125), ("0", 0)]
        {
            assert_eq!(cpu_millis(text), Ok(millis), "{text}");
        }
        for text in ["", ".", "-1", "1.2.3", "0.0005", "1e3", "ü.ü", "0.ööö", "99999999999999999999"] {
            assert!(cpu_millis(text).is_err(), "{text}");
        }
    }

    #[test]
    fn memory_is_mebibytes() {
        for (text, mib) in [
            ("8GiB", 8192),
            ("512M", 512),
            ("64m", 64),
            ("1gb", 1024),
            ("1024k", 1),
            ("1048577", 2),
            ("10485760b", 10),
            ("1 TiB", 1 << 20),
        ] {
            assert_eq!(memory_mib(text), Ok(mib), "{text}");
        }
        for text in ["", "GiB", "1.5g", "-1m", "8x", "99999999999999999999", "18446744073709551615k"] {
            assert!(memory_mib(text).is_err(), "{text}");
        }
    }
}
