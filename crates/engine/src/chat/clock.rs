//! Dates in the forms of Python's `strftime`, which templates ask for by `strftime_now`.

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Begins with the day of 1 January 1970.
const WEEKDAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const SECONDS_PER_DAY: u64 = 86_400;

/// A date in the Gregorian calendar with the time of day.
#[derive(Debug, Clone, Copy)]
struct Date {
    year: u64,
    /// From 1.
    month: u64,
    /// From 1.
    day: u64,
    /// From 1.
    day_of_year: u64,
    /// From 0, in the order of [`WEEKDAYS`].
    weekday: usize,
    /// Seconds since midnight.
    second: u64,
}

/// `seconds` after the Unix epoch in the form of Python's `strftime` in the C locale. `%-d` and its like leave out the leading
/// zero, as glibc does; a directive that is not known stays as it is.
pub fn strftime(format: &str, seconds: u64) -> String {
    let date = date(seconds);
    let mut text = String::with_capacity(format.len());
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let unpadded = rest.starts_with('-');
        let mut chars = rest[usize::from(unpadded)..].chars();
        match chars.next().and_then(|directive| field(&date, directive, unpadded)) {
            Some(field) => {
                text.push_str(&field);
                rest = chars.as_str();
            }
            None => text.push('%'),
        }
    }
    text + rest
}

fn field(date: &Date, directive: char, unpadded: bool) -> Option<String> {
    let number = |value: u64, width: usize| match unpadded {
        true => value.to_string(),
        false => format!("{value:0width$}"),
    };
    let (hour, minute) = (date.second / 3600, date.second / 60 % 60);
    let hour_of_12 = (hour + 11) % 12 + 1;
    let month = MONTHS[date.month as usize - 1];
    let weekday = WEEKDAYS[date.weekday];
    let whole = |format: &str| {
        let mut text = String::new();
        for directive in format.chars() {
            match directive.is_ascii_alphabetic() {
                true => text += &field(date, directive, false)?,
                false => text.push(directive),
            }
        }
        Some(text)
    };
    Some(match directive {
        'Y' => date.year.to_string(),
        'y' => number(date.year % 100, 2),
        'm' => number(date.month, 2),
        'd' => number(date.day, 2),
        'e' if unpadded => date.day.to_string(),
        'e' => format!("{:2}", date.day),
        'j' => number(date.day_of_year, 3),
        'B' => month.to_owned(),
        'b' | 'h' => month[..3].to_owned(),
        'A' => weekday.to_owned(),
        'a' => weekday[..3].to_owned(),
        'H' => number(hour, 2),
        'I' => number(hour_of_12, 2),
        'M' => number(minute, 2),
        'S' => number(date.second % 60, 2),
        'p' => (if hour < 12 { "AM" } else { "PM" }).to_owned(),
        'F' => whole("Y-m-d")?,
        'T' | 'X' => whole("H:M:S")?,
        'R' => whole("H:M")?,
        'D' | 'x' => whole("m/d/y")?,
        'c' => whole("a b e H:M:S Y")?,
        'n' => "\n".to_owned(),
        't' => "\t".to_owned(),
        '%' => "%".to_owned(),
        _ => return None,
    })
}

/// Source: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`: years begin in March, so that the leap
/// day is the last of its year.
fn date(seconds: u64) -> Date {
    const DAYS_BEFORE_EPOCH: u64 = 719_468; // from 1 March of year 0
    const DAYS_IN_ERA: u64 = 146_097; // 400 years
    let since_epoch = seconds / SECONDS_PER_DAY;
    let days = since_epoch + DAYS_BEFORE_EPOCH;
    let (era, day_of_era) = (days / DAYS_IN_ERA, days % DAYS_IN_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_from_march = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_from_march + 2) / 153;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let leaps = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let day_of_year = match month <= 2 {
        true => day_from_march - 306 + 1,
        false => day_from_march + 59 + u64::from(leaps) + 1,
    };
    Date {
        year,
        month,
        day: day_from_march - (153 * month_from_march + 2) / 5 + 1,
        day_of_year,
        weekday: (since_epoch % 7) as usize,
        second: seconds % SECONDS_PER_DAY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_of_known_moments_are_those_of_python() {
        let cases = [
            (0, "%Y-%m-%d %H:%M:%S %A %j", "1970-01-01 00:00:00 Thursday 001"),
            (951_782_399, "%d %b %Y", "28 Feb 2000"),
            (951_782_400, "%B %-d, %Y (%a, day %j)", "February 29, 2000 (Tue, day 060)"),
            (1_709_251_199, "%F %T %I %p %y", "2024-02-29 23:59:59 11 PM 24"),
            (1_743_440_709, "%c|%D|%R|%e", "Mon Mar 31 17:05:09 2025|03/31/25|17:05|31"),
            (4_102_444_800, "%x %X %-m/%-d %-I%p", "01/01/00 00:00:00 1/1 12AM"),
            (1_735_603_200, "%j %-j %%d %Q %", "366 366 %d %Q %"),
        ];
        for (seconds, format, expected) in cases {
            assert_eq!(strftime(format, seconds), expected);
        }
    }
}
