use super::*;

fn check<T: FromStr<Err = UnitError> + fmt::Display + Copy + PartialEq + fmt::Debug>(
    text: &str,
    value: T,
    written: &str,
) {
    assert_eq!(text.parse::<T>().as_ref(), Ok(&value), "{text}");
    assert_eq!(value.to_string(), written);
    assert_eq!(written.parse::<T>(), Ok(value), "{written}");
}

#[test]
fn quantities_read_and_write() {
    check("10Mbit/s", Bandwidth(10_000_000), "10Mbit/s");
    check("0.5 Gbit/s", Bandwidth(500_000_000), "500Mbit/s");
    check("1.5mbps", Bandwidth(1_500_000), "1.5Mbit/s");
    check("20ms", Span(20_000_000), "20ms");
    check("1.5ms", Span(1_500_000), "1.5ms");
    check("0s", Span(0), "0ns");
    check("64KiB", ByteCount(65_536), "65.536kB");
    check("4GB", ByteCount(4_000_000_000), "4GB");
}

#[test]
fn ratios_are_exact_at_the_ends_and_stable_between() {
    check("0%", Ratio::NEVER, "0%");
    check("100%", Ratio::ALWAYS, "100%");
    for text in ["1%", "0.1%", "33.333%", "50%", "99.9999%", "0.000001%"] {
        let ratio: Ratio = text.parse().unwrap();
        assert_eq!(ratio.to_string(), text);
    }
    assert_eq!("50%".parse(), Ok(Ratio(1 << 63)));
}

#[test]
fn nonsense_is_refused_with_an_example() {
    for text in ["", "ms", "-1ms", "1", "1 parsec", "1e3ms", "999999999999999999999999s", "..5ms"] {
        let error = text.parse::<Span>().unwrap_err();
        assert!(error.to_string().contains("20ms"), "{error}");
    }
    "101%".parse::<Ratio>().unwrap_err();
    "1".parse::<Ratio>().unwrap_err();
}
