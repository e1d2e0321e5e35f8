//! Usage in the original's 4.x shape: records of periods that begin at multiples of their length, made of what was measured in
//! the last hour. Longer periods are empty, as they were for what is young.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::graph::Graph;
use tomato_model::lifecycle::State;
use tomato_model::topology::Topology;

use super::{Args, Session, id};

/// Seconds of the periods that can be told.
const FIVE_MINUTES: u64 = 300;
const HOUR: u64 = 3600;

/// What was used in one period.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sum {
    /// Points in it.
    measurements: u64,
    /// Bytes, summed over the points.
    memory: f64,
    /// Bytes, summed over the points.
    disk: f64,
    /// Seconds.
    cputime: f64,
    /// Bytes.
    traffic: f64,
}

/// What was used, by begin of the period.
type Periods = BTreeMap<u64, Sum>;

/// What something used in periods of both lengths.
#[derive(Debug, Clone, Default, PartialEq)]
struct Used {
    five_minutes: Periods,
    hour: Periods,
}

impl Used {
    /// Adds a point that stands for `seconds`.
    fn point(&mut self, at: u64, point: Sum) {
        for (periods, length) in [(&mut self.five_minutes, FIVE_MINUTES), (&mut self.hour, HOUR)] {
            let sum = periods.entry(at - at % length).or_default();
            sum.measurements += 1;
            sum.memory += point.memory;
            sum.disk += point.disk;
            sum.cputime += point.cputime;
            sum.traffic += point.traffic;
        }
    }

    /// Adds what another thing used: amounts add up, averages too.
    fn add(&mut self, other: &Self) {
        for (into, from) in
            [(&mut self.five_minutes, &other.five_minutes), (&mut self.hour, &other.hour)]
        {
            for (begin, sum) in from {
                let whole = into.entry(*begin).or_default();
                let most = whole.measurements.max(sum.measurements);
                whole.memory = scaled(whole.memory, whole.measurements, most)
                    + scaled(sum.memory, sum.measurements, most);
                whole.disk = scaled(whole.disk, whole.measurements, most)
                    + scaled(sum.disk, sum.measurements, most);
                whole.measurements = most;
                whole.cputime += sum.cputime;
                whole.traffic += sum.traffic;
            }
        }
    }

    fn shown(&self) -> Json {
        json!({
            "5minutes": records(&self.five_minutes, FIVE_MINUTES),
            "hour": records(&self.hour, HOUR),
            "day": [],
            "month": [],
            "year": [],
        })
    }
}

/// A sum over `points` as if it were over `most` points.
#[allow(clippy::cast_precision_loss, reason = "counts of points of an hour are small")]
fn scaled(sum: f64, points: u64, most: u64) -> f64 {
    if points == 0 { 0.0 } else { sum / points as f64 * most as f64 }
}

fn records(periods: &Periods, length: u64) -> Json {
    let record = |(begin, sum): (&u64, &Sum)| {
        json!({
            "start": begin,
            "end": begin + length,
            "measurements": sum.measurements,
            "usage": {
                "memory": scaled(sum.memory, sum.measurements, 1),
                "disk": scaled(sum.disk, sum.measurements, 1),
                "cputime": sum.cputime,
                "traffic": sum.traffic,
            },
        })
    };
    periods.iter().map(record).collect()
}

/// Seconds since the Unix epoch of a time like `2026-01-31T12:00:00.000Z`.
fn unix(time: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| time.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    // Years begin in March, so that a leap day is the last of its year.
    let (year, month) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    let days = days.checked_sub(719_469)?;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

fn number(point: &Json, path: &str) -> f64 {
    point.pointer(path).and_then(Json::as_f64).unwrap_or(0.0)
}

/// The points of an answer with their times and how long each stands for.
fn points(answer: &Json) -> impl Iterator<Item = (u64, f64, &Json)> {
    let seconds = number(answer, "/period_s");
    let list = answer["points"].as_array().into_iter().flatten();
    list.filter_map(move |point| Some((unix(point["time"].as_str()?)?, seconds, point)))
}

fn of_element(answer: &Json) -> Used {
    let mut used = Used::default();
    for (at, seconds, point) in points(answer) {
        let bits =
            number(point, "/sent_bits_per_second") + number(point, "/received_bits_per_second");
        used.point(
            at,
            Sum {
                measurements: 1,
                memory: number(point, "/memory_bytes"),
                disk: number(point, "/disk_bytes"),
                cputime: number(point, "/cpu_milli") / 1000.0 * seconds,
                traffic: bits / 8.0 * seconds,
            },
        );
    }
    used
}

fn of_connection(answer: &Json) -> Used {
    let mut used = Used::default();
    for (at, seconds, point) in points(answer) {
        let bits =
            number(point, "/forward/bits_per_second") + number(point, "/backward/bits_per_second");
        used.point(at, Sum { traffic: bits / 8.0 * seconds, ..Sum::default() });
    }
    used
}

impl Session<'_> {
    pub(super) async fn element_usage(&self, args: &Args) -> Result<Json, ApiError> {
        let found = self.find(id(args, "id")?).await?;
        if found.interface.is_some() || !found.element.kind.is_device() {
            return Ok(Used::default().shown());
        }
        let answer: Json =
            self.call("element_usage", &[found.element.id.as_str()], Json::Null).await?;
        Ok(of_element(&answer).shown())
    }

    pub(super) async fn connection_usage(&self, args: &Args) -> Result<Json, ApiError> {
        let answer: Json = self.call("connection_usage", &[id(args, "id")?], Json::Null).await?;
        Ok(of_connection(&answer).shown())
    }

    pub(super) async fn topology_usage(&self, args: &Args) -> Result<Json, ApiError> {
        let graph = self.graph(id(args, "id")?).await?;
        Ok(self.used_by(&graph).await?.shown())
    }

    /// What the topologies that `owners` own used.
    pub(super) async fn usage_of(&self, owners: impl Fn(&str) -> bool) -> Result<Json, ApiError> {
        let list: Vec<Topology> = self.call("topology_list", &[], Json::Null).await?;
        let mut used = Used::default();
        for topology in list {
            let mut roles = topology.roles.iter();
            if roles.any(|(name, role)| *role == tomato_model::role::Role::Owner && owners(name)) {
                let graph = match self.graph(topology.id.as_str()).await {
                    Err(error) if error.code == ErrorCode::EntityDoesNotExist => continue,
                    graph => graph?,
                };
                used.add(&self.used_by(&graph).await?);
            }
        }
        Ok(used.shown())
    }

    /// Elements with their connections' traffic once.
    async fn used_by(&self, graph: &Graph) -> Result<Used, ApiError> {
        let mut used = Used::default();
        let devices = graph.elements.iter().filter(|e| e.kind.is_device());
        for element in devices.filter(|e| e.state != State::Created) {
            let path = [element.id.as_str()];
            let mut one = of_element(&self.call("element_usage", &path, Json::Null).await?);
            for sum in one.five_minutes.values_mut().chain(one.hour.values_mut()) {
                sum.traffic = 0.0;
            }
            used.add(&one);
        }
        for connection in graph.connections.iter().filter(|c| c.started) {
            let path = [connection.id.as_str()];
            used.add(&of_connection(&self.call("connection_usage", &path, Json::Null).await?));
        }
        Ok(used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(times: &[&str]) -> Json {
        let point = |time: &&str| {
            json!({"time": time, "cpu_milli": 500, "memory_bytes": 1000, "disk_bytes": 70,
                   "sent_bits_per_second": 800, "received_bits_per_second": 0})
        };
        json!({"period_s": 5, "points": times.iter().map(point).collect::<Vec<_>>()})
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        assert_eq!(unix("1970-01-01T00:00:00.000Z"), Some(0));
        assert_eq!(unix("2024-02-29T12:34:56Z"), Some(1_709_210_096));
        assert_eq!(unix("2026-11-23T14:00:00.250Z"), Some(1_795_442_400));
        assert_eq!(unix("yesterday"), None);
    }

    #[test]
    fn points_add_up_in_their_periods() {
        let times = ["2026-11-23T14:04:50Z", "2026-11-23T14:04:55Z", "2026-11-23T14:05:00Z"];
        let shown = of_element(&answer(&times)).shown();
        let five = &shown["5minutes"];
        assert_eq!(
            (&five[0]["start"], &five[0]["end"]),
            (&json!(1_795_442_400), &json!(1_795_442_700))
        );
        assert_eq!((&five[0]["measurements"], &five[1]["measurements"]), (&json!(2), &json!(1)));
        let usage = json!({"memory": 1000.0, "disk": 70.0, "cputime": 5.0, "traffic": 1000.0});
        assert_eq!(five[0]["usage"], usage);
        assert_eq!(shown["hour"][0]["usage"]["cputime"], json!(7.5));
        assert_eq!((&shown["day"], &shown["year"]), (&json!([]), &json!([])));
    }

    #[test]
    fn two_things_use_the_sum_of_both() {
        let mut both = of_element(&answer(&["2026-11-23T14:00:00Z", "2026-11-23T14:00:05Z"]));
        both.add(&of_element(&answer(&["2026-11-23T14:00:05Z"])));
        let shown = both.shown();
        let usage = &shown["hour"][0]["usage"];
        assert_eq!((&usage["memory"], &usage["cputime"]), (&json!(2000.0), &json!(7.5)));
    }
}
