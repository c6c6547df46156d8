using System.Diagnostics.Metrics;
using System.Net;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using Xunit.Sdk;

namespace BackpropCluster.ClusterTests.Otlp;

/// <summary>The tests' own collector, and stand-in for Prometheus 3, reads what the real exporter sends.</summary>
public sealed class OtlpReceiverTests
{
    [Fact]
    public async Task EveryKindOfMetricIsReadAsPrometheusWouldStoreIt()
    {
        using var meter = new Meter("otlp-receiver-tests");
        await using var receiver = await OtlpReceiver.Start();
        using (
            var provider = Sdk.CreateMeterProviderBuilder()
                .ConfigureResource(resource => resource.Clear().AddService("shop", serviceInstanceId: "one"))
                .AddMeter(meter.Name)
                .AddOtlpExporter(
                    (options, _) =>
                        (options.Protocol, options.Endpoint) = (
                            OtlpExportProtocol.HttpProtobuf,
                            new Uri(receiver.Address, "v1/metrics")
                        )
                )
                .Build()
        )
        {
            meter
                .CreateCounter<long>("sales", "{sale}")
                .Add(3, new KeyValuePair<string, object?>("pay.ment", "in \"cash\""));
            meter.CreateUpDownCounter<int>("queue").Add(-2);
            meter.CreateObservableGauge("heat", () => 36.6, "Cel");
            var wait = meter.CreateHistogram(
                "wait",
                "s",
                advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.5, 1] }
            );
            foreach (var seconds in new[] { 0.25, 0.75, 4 })
                wait.Record(seconds);
            Assert.True(provider.ForceFlush(10_000));
        }

        using var client = new HttpClient();
        var text = await client.GetStringAsync(
            new Uri(receiver.Address, "metrics"),
            TestContext.Current.CancellationToken
        );
        Assert.Equal(
            [
                "heat_celsius{job=\"shop\",instance=\"one\"} 36.6",
                "queue{job=\"shop\",instance=\"one\"} -2",
                "sales_total{job=\"shop\",instance=\"one\",pay_ment=\"in \\\"cash\\\"\"} 3",
                "wait_seconds_bucket{job=\"shop\",instance=\"one\",le=\"+Inf\"} 3",
                "wait_seconds_bucket{job=\"shop\",instance=\"one\",le=\"0.5\"} 1",
                "wait_seconds_bucket{job=\"shop\",instance=\"one\",le=\"1\"} 2",
                "wait_seconds_count{job=\"shop\",instance=\"one\"} 3",
                "wait_seconds_sum{job=\"shop\",instance=\"one\"} 5",
            ],
            text.TrimEnd('\n').Split('\n').Order(StringComparer.Ordinal)
        );
        Assert.Empty(receiver.Errors);
    }

    [Theory, InlineData("0a05"), InlineData("ff"), InlineData("0b")]
    public async Task WhatIsCutOffIsRefusedAndTold(string hex)
    {
        await using var receiver = await OtlpReceiver.Start();
        using var client = new HttpClient();
        foreach (var path in (string[])["v1/metrics", "v1/traces"])
        {
            using var body = new ByteArrayContent(Convert.FromHexString(hex))
            {
                Headers = { ContentType = new("application/x-protobuf") },
            };
            using var response = await client.PostAsync(
                new Uri(receiver.Address, path),
                body,
                TestContext.Current.CancellationToken
            );
            Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        }

        Assert.Equal(2, receiver.Errors.Count);
        Assert.Throws<FailException>(() => receiver.Spans);
        Assert.Throws<FailException>(() => receiver.Points);
    }
}
