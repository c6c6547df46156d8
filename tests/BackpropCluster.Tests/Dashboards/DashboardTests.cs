using System.Diagnostics.Metrics;
using System.Text.RegularExpressions;
using BackpropCluster.Grains.Telemetry;
using BackpropCluster.Tests.Deploy;

namespace BackpropCluster.Tests.Dashboards;

/// <summary>The files of <c>dashboards/</c>: what they show, what each panel answers, and that it asks for what is
/// measured.</summary>
public sealed partial class DashboardTests
{
    private static readonly IReadOnlyList<Dashboard> All = Dashboard.ReadAll(DeployFiles.Root);

    private static IEnumerable<(string Where, Panel Panel)> Panels =>
        All.SelectMany(d => d.Panels.Select(p => ($"{d.File}: '{p.Title}'", p)));

    private static IEnumerable<(string Where, Target Target, PromQl Query)> Queries =>
        Panels.SelectMany(p =>
            p.Panel.Targets.Where(t => t.Source == "prometheus")
                .Select(t => ($"{p.Where}: {t.Query}", t, PromQl.Read(t.Query)))
        );

    [Fact]
    public void FourDashboardsKeepTheirAddresses()
    {
        Assert.Equal(
            [
                ("cluster.json", "backprop-cluster", "Cluster and faults"),
                ("messages.json", "backprop-messages", "Messages and placement"),
                ("runtime.json", "backprop-runtime", "Runtime"),
                ("training.json", "backprop-training", "Training"),
            ],
            All.Select(d => (d.File, d.Uid, d.Title))
        );
        // Of Grafana 11 and 12.
        Assert.All(All, d => Assert.InRange(d.Schema, 39, 42));
    }

    [Fact]
    public void EachPanelSaysInALineWhatItAnswersAndWhatIsHealthy()
    {
        foreach (var (where, panel) in Panels)
        {
            Assert.True(panel.Title.Length is > 3 and < 60, where);
            Assert.True(
                Answers().IsMatch(panel.Description),
                $"{where} does not say which question it answers and what is healthy: {panel.Description}"
            );
        }
    }

    [Fact]
    public void EachPanelHasAUnitAndADatasource()
    {
        foreach (var (where, panel) in Panels)
        {
            Assert.False(string.IsNullOrEmpty(panel.Unit), $"{where} has no unit");
            Assert.NotEmpty(panel.Targets);
            Assert.All(panel.Targets, target => Assert.Equal((where, panel.Source), (where, target.Source)));
            Assert.Contains(panel.Source, new[] { "prometheus", "jaeger" });
        }
    }

    [Fact]
    public void EachDashboardFitsTheEye()
    {
        foreach (var dashboard in All)
        {
            Assert.InRange(dashboard.Panels.Count, 8, 14);
            var cells = dashboard
                .Panels.SelectMany(p =>
                    Enumerable
                        .Range(p.Place.X, p.Place.Width)
                        .SelectMany(x => Enumerable.Range(p.Place.Y, p.Place.Height).Select(y => (x, y)))
                )
                .ToList();
            Assert.Equal(cells.Count, cells.Distinct().Count());
            Assert.All(cells, cell => Assert.InRange(cell.x, 0, 23));
        }
    }

    [Fact]
    public void NothingIsShownTwice()
    {
        Assert.Equal(
            Panels.Count(),
            Panels.Select(p => p.Panel.Title).Distinct(StringComparer.OrdinalIgnoreCase).Count()
        );
        Assert.Equal(Queries.Count(), Queries.Select(q => q.Target.Query).Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public void EveryMetricOfOursIsShown()
    {
        var shown = Queries
            .SelectMany(q => q.Query.Selectors)
            .Select(s => KnownMetrics.BySeries.GetValueOrDefault(s.Series)?.Name)
            .ToHashSet();
        foreach (var name in Metrics.All)
            Assert.True(shown.Contains(name), $"no dashboard shows {name}");
    }

    [Fact]
    public void EveryNameIsThatOfAMetric()
    {
        foreach (var (where, _, query) in Queries)
        foreach (var selector in query.Selectors)
            Assert.True(
                KnownMetrics.BySeries.ContainsKey(selector.Series),
                $"{where} asks for {selector.Series}, which nobody measures"
            );
    }

    [Fact]
    public void EveryLabelIsOneOfItsMetric()
    {
        foreach (var (where, target, query) in Queries)
        foreach (var selector in query.Selectors)
        {
            var labels = KnownMetrics.BySeries[selector.Series].LabelsOf(selector.Series).ToList();
            var legend = InLegend().Matches(target.Legend).Select(m => m.Groups[1].Value).ToList();
            foreach (var label in selector.Labels.Concat(query.Groupings).Concat(legend))
                Assert.True(
                    labels.Contains(label),
                    $"{where} uses the label {label}, which {selector.Series} has not; it has "
                        + $"{string.Join(", ", labels)}"
                );
            // What was summed away cannot stand in the legend.
            if (query.Groupings.Count > 0)
                Assert.All(legend, label => Assert.Contains(label, query.Groupings));
        }
    }

    /// <summary>Without it a counter that restarts with its silo would show the restart, not what is counted.</summary>
    [Fact]
    public void ARateIsTakenOverGrafanasOwnInterval()
    {
        foreach (var (where, target, _) in Queries.Where(q => q.Target.Query.Contains('[', StringComparison.Ordinal)))
            Assert.All(Range().Matches(target.Query), range => Assert.True(range.Value == "[$__rate_interval]", where));
    }

    /// <summary>A value that nobody writes would leave a panel empty, or full of what it was to leave out.</summary>
    [Fact]
    public void EveryValueThatIsChosenIsOneThatIsWritten()
    {
        var chosen = 0;
        foreach (var (where, target, query) in Queries)
        foreach (Match choice in Choice().Matches(target.Query))
        foreach (var metric in query.Selectors.Select(s => KnownMetrics.BySeries[s.Series]))
        {
            var values = metric.ValuesOf(choice.Groups[1].Value).Select(v => v.Value).ToList();
            if (values.Count == 0)
                continue;
            // A label of the same name on the other side of a quotient may have fewer values.
            Assert.True(
                choice.Groups[2].Value.Split('|').All(values.Contains)
                    || query.Selectors.Any(s => KnownMetrics.BySeries[s.Series] != metric),
                $"{where}: {choice.Value}, but {metric.Name} has {string.Join(", ", values)}"
            );
            chosen++;
        }

        Assert.True(chosen >= 3, "no value is chosen: the pattern finds none");
    }

    /// <summary>A query must bear that what counts events is not there yet.</summary>
    [Fact]
    public void WhatAppearsOnlyAfterAnEventIsShownAsZeroBefore()
    {
        foreach (
            var (where, target, query) in Queries.Where(q =>
                q.Query.Selectors.Any(s => KnownMetrics.BySeries[s.Series].OnlyAfterAnEvent)
            )
        )
            Assert.True(target.Query.EndsWith(" or vector(0)", StringComparison.Ordinal), where);
        foreach (
            var (where, target, query) in Queries.Where(q =>
                q.Query.Selectors.All(s => !KnownMetrics.BySeries[s.Series].OnlyAfterAnEvent)
            )
        )
            Assert.False(
                target.Query.Contains("vector(", StringComparison.Ordinal),
                $"{where} would show a number even if its metric were gone"
            );
    }

    [Fact]
    public void WhereAnInstanceIsChosenEveryQueryObeys()
    {
        foreach (var dashboard in All)
        {
            Assert.All(dashboard.Variables, variable => Assert.Equal("instance", variable.Name));
            foreach (var query in dashboard.Queries)
                Assert.All(
                    PromQl.Read(query).Selectors,
                    s =>
                        Assert.True(
                            s.Labels.Contains("instance") == dashboard.Variables.Count > 0,
                            $"{dashboard.File}: {query}"
                        )
                );
            foreach (var (_, query) in dashboard.Variables)
            {
                var values = LabelValues().Match(query);
                Assert.True(values.Success, query);
                Assert.Contains(
                    values.Groups[2].Value,
                    KnownMetrics.BySeries[values.Groups[1].Value].LabelsOf(values.Groups[1].Value)
                );
            }
        }
    }

    /// <summary>The list that these tests check against is itself the program's.</summary>
    [Fact]
    public void TheListOfOurMetricsIsTheProgramsOwn()
    {
        Assert.Equal(
            Metrics.All.Order(StringComparer.Ordinal),
            KnownMetrics.Ours.Select(m => m.Name).Order(StringComparer.Ordinal)
        );
        using var listener = new MeterListener();
        var published = new List<Instrument>();
        listener.InstrumentPublished = (instrument, _) =>
        {
            if (instrument.Meter.Name == Metrics.MeterName)
                published.Add(instrument);
        };
        listener.Start();
        Assert.NotEmpty(published);
        foreach (var instrument in published)
        {
            var known = Assert.Single(KnownMetrics.Ours, m => m.Name == instrument.Name);
            Assert.Equal(
                known.Series,
                PrometheusNames.Series(instrument.Name, instrument.Unit, Instruments.KindOf(instrument))
            );
        }
    }

    [GeneratedRegex(@"^[A-Z][^\n]*\? Healthy: [^\n]{8,}\.$")]
    private static partial Regex Answers();

    [GeneratedRegex(@"(\w+)(?:=~|!~|!=|=)""([\w|]+)""")]
    private static partial Regex Choice();

    [GeneratedRegex(@"\{\{(\w+)\}\}")]
    private static partial Regex InLegend();

    [GeneratedRegex(@"\[[^\]\[.]*\]")]
    private static partial Regex Range();

    [GeneratedRegex(@"^label_values\((\w+), (\w+)\)$")]
    private static partial Regex LabelValues();
}
