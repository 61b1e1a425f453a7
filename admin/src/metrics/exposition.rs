//! Numbers into metric families; the prometheus crate's encoder writes them.

use prometheus::TextEncoder;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

/// Metric families in the order they were added.
#[derive(Default)]
pub(super) struct Exposition {
    families: Vec<MetricFamily>,
}

impl Exposition {
    /// A number that goes up and down.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.gauges(name, help, &[], [(Vec::new(), value)]);
    }

    /// Numbers that go up and down, by the values of `labels`.
    pub(super) fn gauges<'a>(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        values: impl IntoIterator<Item = (Vec<&'a str>, f64)>,
    ) {
        let metrics = values.into_iter().map(|(label_values, value)| {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            let mut metric = Metric::from_label(pairs(labels, &label_values));
            metric.set_gauge(gauge);
            metric
        });
        self.family(name, help, MetricType::GAUGE, metrics.collect());
    }

    /// A number that only grows.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, help, MetricType::COUNTER, vec![counted(Vec::new(), value)]);
    }

    /// Numbers that only grow, by the values of `label`.
    pub(super) fn counters<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, u64)>,
    ) {
        let metrics = values.into_iter().map(|(of, value)| counted(pairs(&[label], &[of]), value));
        self.family(name, help, MetricType::COUNTER, metrics.collect());
    }

    /// Numbers that only grow, by the values of `labels`.
    pub(super) fn counters_by<'a>(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
        values: impl IntoIterator<Item = (Vec<&'a str>, u64)>,
    ) {
        let metrics = values.into_iter().map(|(of, value)| counted(pairs(labels, &of), value));
        self.family(name, help, MetricType::COUNTER, metrics.collect());
    }

    /// How many took how long.
    pub(super) fn histogram(&mut self, name: &str, help: &str, histogram: &proxy::metrics::Histogram) {
        // The encoder adds the bucket without a bound itself.
        let bounded = histogram.cumulative().filter_map(|(bound, count)| Some((bound? as f64 / 1e6, count)));
        self.buckets(name, help, bounded, histogram.count(), histogram.sum_us as f64 / 1e6);
    }

    /// How many took at most so many seconds; how many there were, and how many seconds all of them took.
    pub(super) fn buckets(
        &mut self,
        name: &str,
        help: &str,
        buckets: impl Iterator<Item = (f64, u64)>,
        count: u64,
        sum: f64,
    ) {
        let mut inner = Histogram::default();
        inner.set_sample_count(count);
        inner.set_sample_sum(sum);
        let buckets = buckets.map(|(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        });
        inner.set_bucket(buckets.collect());
        let mut metric = Metric::default();
        metric.set_histogram(inner);
        self.family(name, help, MetricType::HISTOGRAM, vec![metric]);
    }

    /// All of it, as text.
    pub(super) fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.families)
    }

    fn family(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        // The encoder refuses all of it for the sake of one that has no numbers yet.
        if metrics.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.families.push(family);
    }
}

fn counted(labels: Vec<LabelPair>, value: u64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value as f64);
    let mut metric = Metric::from_label(labels);
    metric.set_counter(counter);
    metric
}

fn pairs(names: &[&str], values: &[&str]) -> Vec<LabelPair> {
    let pair = |(name, value): (&&str, &&str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    names.iter().zip(values).map(pair).collect()
}
