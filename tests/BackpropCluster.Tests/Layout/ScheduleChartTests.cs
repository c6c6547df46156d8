using BackpropCluster.Cli.Schedules;
using BackpropCluster.Core.Layout.Checking;
using Spectre.Console;

namespace BackpropCluster.Tests.Layout;

/// <summary>Charts fit where they are drawn, and say without colours what they say with them.</summary>
public sealed class ScheduleChartTests
{
    [Fact]
    public void AShortStepNamesEveryAction() =>
        Assert.Equal(
            """
            ticks 0 to 9
            r0 0F0 0F1 .   .   .   0B0---- 0B1----
            r1 .   1F0 1F1 1B0---- 1B1---- .   .
            """,
            string.Join('\n', Drawn("gpipe", 2, 1, 2, 60, ColorSystemSupport.NoColors).Split('\n')[..3])
        );

    [
        Theory,
        InlineData("1f1b", 4, 1, 8),
        InlineData("zbv", 4, 2, 8),
        InlineData("dualpipe_v", 2, 2, 4),
        InlineData("gpipe", 8, 1, 500),
        InlineData("looped_bfs", 16, 3, 200)
    ]
    public void SixtyColumnsAreEnough(string name, int p, int v, int m)
    {
        var drawn = Drawn(name, p, v, m, 60, ColorSystemSupport.NoColors);
        Assert.All(drawn.Split('\n'), line => Assert.InRange(line.Length, 0, 60));
        Assert.All(
            ScheduleFigures.Lines(ScheduleReport.Of(GoldenTables.Generate(name, p, v, m), ActionTimes.Unit, null)),
            line => Assert.InRange(line.Length, 1, 60)
        );
        Assert.DoesNotContain('\u001b', drawn);
        Assert.EndsWith(". idle\n", drawn, StringComparison.Ordinal);
        Assert.Equal(0, drawn.Split('\n').Count(line => line.StartsWith('r')) % p);
    }

    [Fact]
    public void ColoursChangeNoLetter()
    {
        var coloured = Drawn("zb1p", 4, 2, 8, 80, ColorSystemSupport.TrueColor);
        Assert.Contains("\u001b[", coloured, StringComparison.Ordinal);
        Assert.Equal(
            Drawn("zb1p", 4, 2, 8, 80, ColorSystemSupport.NoColors),
            System.Text.RegularExpressions.Regex.Replace(coloured, "\u001b\\[[0-9;]*m", "")
        );
    }

    private static string Drawn(string name, int p, int v, int m, int width, ColorSystemSupport colours)
    {
        using var text = new StringWriter { NewLine = "\n" };
        var console = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Out = new AnsiConsoleOutput(text),
                Ansi = colours == ColorSystemSupport.NoColors ? AnsiSupport.No : AnsiSupport.Yes,
                ColorSystem = colours,
            }
        );
        console.Profile.Width = width;
        new ScheduleChart(console, width).Draw(
            ScheduleTimeline.Of(GoldenTables.Generate(name, p, v, m), ActionTimes.Unit)
        );
        return text.ToString();
    }
}
