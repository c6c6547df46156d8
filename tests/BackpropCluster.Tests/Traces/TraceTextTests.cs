using BackpropCluster.Cli.Traces;
using BackpropCluster.Grains.Telemetry;
using CsCheck;

namespace BackpropCluster.Tests.Traces;

/// <summary>What <c>trace show</c> prints.</summary>
public sealed class TraceTextTests
{
    private static readonly RecordedTrace Recorded = new(TutorialTrace.TraceId, "train step", 1, TutorialTrace.Zero);

    [Fact]
    public void TheTutorialsStepReadsAsATree() =>
        Assert.Equal(
            """
            run mazur-1  step 1  epoch 1  14 spans  3 silos  412 µs
              trace 0af7651916cd43dd8448eb211c80319c

                                             start duration  silo
            train step                        0 µs   412 µs  silo-1
            │ rows 1  messages 20  loss 0.298371109
            ├─ forward                     4.10 µs   186 µs  silo-1
            │  ├─ forward h1               20.5 µs  40.7 µs  silo-2
            │  │    net 0.3775  output 0.593269992  messages 2  16 bytes
            │  ├─ forward h2               20.5 µs  45.5 µs  silo-3
            │  │    net 0.3925  output 0.596884378  messages 2  16 bytes
            │  ├─ forward o1               70.0 µs   110 µs  silo-1
            │  │    net 1.105905967  output 0.75136507  messages 2  16 bytes
            │  │    • 172 µs  last input  from h2  awaited 102 µs
            │  └─ forward o2               71.0 µs   114 µs  silo-2
            │       net 1.224921404  output 0.772928465  messages 2  16 bytes
            ├─ compute loss                 190 µs  24.9 µs  silo-1  loss 0.298371109
            ├─ backward                     215 µs   175 µs  silo-1
            │  ├─ backward o1               220 µs  40.0 µs  silo-1
            │  │    delta 0.138498562  messages 2  16 bytes
            │  ├─ backward o2               231 µs  37.0 µs  silo-2
            │  │    delta -0.038098237  messages 2  16 bytes
            │  ├─ backward h2               276 µs   113 µs  silo-3
            │  │    delta 0.009954255  messages 2  16 bytes
            │  └─ backward h1               280 µs  90.0 µs  silo-2
            │       delta 0.008771355  messages 2  16 bytes
            └─ apply update                 390 µs  22.3 µs  silo-1
               │ rolled up count 4  rolled up min 0.40 µs  rolled up max 2.25 µs
               └─ apply update (4 shards)   391 µs  20.0 µs  silo-1

            """,
            Show(TutorialTrace.Spans, 80)
        );

    /// <summary>Any names, silos, numbers and depths, down to the fewest columns.</summary>
    [Fact]
    public void NoLineIsWiderThanAskedForAndNoneHoldsAnEscape() =>
        Gen.Select(RandomTrace.Spans, Gen.Int[TraceText.FewestColumns, 160])
            .Sample(
                (spans, columns) =>
                {
                    var text = Show(spans, columns);
                    foreach (var line in text.Split('\n'))
                        Assert.True(line.Length <= columns, $"{line.Length} of {columns} columns: {line}");
                    Assert.DoesNotContain('\u001b', text);
                    // Every span has its line: as many as there are durations in the column.
                    Assert.All(
                        spans,
                        s => Assert.Contains(Quantities.Time(s.DurationNano), text, StringComparison.Ordinal)
                    );
                }
            );

    [Fact]
    public void AWideTerminalShowsWhenEachSpanRan()
    {
        var lines = Show(TutorialTrace.Spans, 120).Split('\n');
        Assert.Contains(
            "│████████████████████████│",
            lines.Single(l => l.StartsWith("train step ", StringComparison.Ordinal)),
            StringComparison.Ordinal
        );
        Assert.Contains(
            "│                      ██│",
            lines.Single(l => l.Contains("apply update  ", StringComparison.Ordinal)),
            StringComparison.Ordinal
        );
        Assert.DoesNotContain(Show(TutorialTrace.Spans, 80), "█", StringComparison.Ordinal);
    }

    [Fact]
    public void ASpanWithoutItsParentIsShownAndSaid()
    {
        var text = Show(
            [.. TutorialTrace.Spans.Where(s => s.Name is not ("train step" or "forward"))],
            80,
            Recorded with
            {
                Root = null,
            }
        );
        Assert.Contains("The step's own span is not in the file", text, StringComparison.Ordinal);
        Assert.Contains("\nforward h1 ", text, StringComparison.Ordinal);
        Assert.Contains("(its parent was not recorded)", text, StringComparison.Ordinal);
    }

    [Fact]
    public void SpansWhoseParentsFormACircleAreShownOnce()
    {
        var text = Show(
            [TutorialTrace.Span(1, 2, "hen", 0, 10, "silo-1"), TutorialTrace.Span(2, 1, "egg", 5, 10, "silo-1")],
            80
        );
        Assert.Single(text.Split('\n'), l => l.StartsWith("hen ", StringComparison.Ordinal));
        Assert.Single(text.Split('\n'), l => l.StartsWith("└─ egg ", StringComparison.Ordinal));
    }

    [Fact]
    public void AFailedSpanSaysSoFirst() =>
        Assert.Contains(
            "ERROR: no number  rows 1",
            Show([TutorialTrace.Root with { Status = new("no number", TraceStatusCode.Error) }], 120),
            StringComparison.Ordinal
        );

    [Theory]
    [InlineData(0, "0 µs")]
    [InlineData(100, "0.10 µs")]
    [InlineData(12_345, "12.3 µs")]
    [InlineData(99_960, "100 µs")]
    [InlineData(456_000, "456 µs")]
    [InlineData(999_600, "1.00 ms")]
    [InlineData(-2_250, "-2.25 µs")]
    [InlineData(1_234_000_000, "1.23 s")]
    public void TimesHaveThreeDigitsAndAUnit(long nanoseconds, string text) =>
        Assert.Equal(text, Quantities.Time(nanoseconds));

    [Fact]
    public void ValuesAreShortAndNamedWithoutThePrefix()
    {
        Assert.Equal(
            "output 0.593269992",
            Quantities.Attribute(TraceAttribute.Of("backprop.output", 0.59326999210718723))
        );
        Assert.Equal(
            ["1.105905967", "-1.5E-07", "0", "NaN", "12345678"],
            new[] { 1.105905967, -1.5e-7, 0, double.NaN, 12345678 }.Select(v => Quantities.Value(TraceValue.Of(v)))
        );
        Assert.Equal("thread.id 1,234", Quantities.Attribute(TraceAttribute.Of("thread.id", 1234)));
        Assert.Equal("16 bytes", Quantities.Attribute(TraceAttribute.Of("backprop.bytes", 16)));
        Assert.Equal(
            "rolled up max 2.25 µs",
            Quantities.Attribute(TraceAttribute.Of("backprop.rolled_up.max_ns", 2_250))
        );
        Assert.Equal(
            "net [1, 2, 3, 4, … 5 values]",
            Quantities.Attribute(
                new TraceAttribute(
                    "backprop.net",
                    TraceValue.Of([.. Enumerable.Range(1, 5).Select(i => TraceValue.Of((double)i))])
                )
            )
        );
        Assert.Equal(@"thread a\u001b[31m", Quantities.Attribute(TraceAttribute.Of("thread", "a\u001b[31m")));
    }

    private static string Show(IReadOnlyList<TraceSpan> spans, int columns, RecordedTrace? trace = null)
    {
        using var output = new StringWriter { NewLine = "\n" };
        new TraceText(output, columns).Write("mazur-1", trace ?? Recorded, spans);
        return output.ToString();
    }
}
