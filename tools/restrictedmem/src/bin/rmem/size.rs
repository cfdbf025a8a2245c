// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Numbers of bytes, as people write them.

/// Reads a number of bytes: `4096`, `64K`, `2MiB`, `0x200000`.
pub fn parse(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix("iB").unwrap_or(text);
    let (digits, shift) = match number.char_indices().last() {
        Some((at, 'k' | 'K')) => (&number[..at], 10),
        Some((at, 'm' | 'M')) => (&number[..at], 20),
        Some((at, 'g' | 'G')) => (&number[..at], 30),
        Some((at, 't' | 'T')) => (&number[..at], 40),
        _ => (text, 0),
    };
    let (digits, radix) = match digits.strip_prefix("0x") {
        Some(hexadecimal) => (hexadecimal, 16),
        None => (digits, 10),
    };
    // `from_str_radix` takes a sign, too.
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err("a number of bytes is wanted, such as 4096, 64K, 2M or 0x200000".into());
    }
    u64::from_str_radix(digits, radix)
        .ok()
        .and_then(|value| value.checked_mul(1 << shift))
        .ok_or_else(|| "more bytes than any file can have".into())
}

/// A number of bytes in words, exactly, in the largest unit that fits.
pub fn kib(bytes: u64) -> String {
    match bytes {
        _ if bytes % (1 << 30) == 0 && bytes > 0 => format!("{} GiB", bytes >> 30),
        _ if bytes % (1 << 20) == 0 && bytes > 0 => format!("{} MiB", bytes >> 20),
        _ if bytes % (1 << 10) == 0 => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("64K", 64 << 10),
            ("64KiB", 64 << 10),
            ("2m", 2 << 20),
            ("3G", 3 << 30),
            ("1T", 1 << 40),
            ("0x200000", 2 << 20),
            ("0x10K", 16 << 10),
            ("0xffffffffffffffff", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_mean() {
        for text in [
            "", "K", "0x", "iB", "4iB", "-1", "+1", "0x-1", "1.5M", "64KB", "64 K", "1KK", "12é",
            "ff",
        ] {
            assert!(parse(text).unwrap_err().contains("is wanted"), "{text}");
        }
        for text in ["18446744073709551616", "16777216T", "0x10000000000000000"] {
            assert!(parse(text).unwrap_err().contains("more bytes"), "{text}");
        }
    }

    #[test]
    fn says_bytes_in_the_largest_unit_that_fits() {
        assert_eq!(kib(3 << 30), "3 GiB");
        assert_eq!(kib(1536 << 20), "1536 MiB");
        assert_eq!(kib(2 << 20), "2 MiB");
        assert_eq!(kib(36 << 10), "36 KiB");
        assert_eq!(kib(0), "0 KiB");
        assert_eq!(kib(100), "100 bytes");
    }
}
