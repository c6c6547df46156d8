using System.Text.Json;
using BackpropCluster.Cli.CommandLine;
using BackpropCluster.Cli.Traces;
using BackpropCluster.Grains.Telemetry;

namespace BackpropCluster.Tests.Traces;

/// <summary><c>trace show</c> and <c>trace export</c> as a script meets them: a child process, its output in a
/// pipe.</summary>
public sealed class TraceVerbTests : IDisposable
{
    private readonly TraceFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task ShowFitsEightyColumnsWithoutAnEscapeWhenRedirected()
    {
        folder.Add("mazur-1", TutorialTrace.Lines);
        var (exitCode, output, talk) = await Run("show", "mazur-1");
        Assert.Equal((0, ""), (exitCode, talk));
        Assert.DoesNotContain('\u001b', output);
        Assert.All(output.Split('\n'), line => Assert.InRange(line.Length, 0, 80));
        Assert.Contains("└─ backward h1", output, StringComparison.Ordinal);
        Assert.EndsWith("recorded steps: 1\nalso recorded: 1 × evaluate\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ShowPrintsOneJsonObject()
    {
        folder.Add("mazur-1", TutorialTrace.Lines);
        var (exitCode, output, _) = await Run("show", "--json");
        Assert.Equal(0, exitCode);
        var shown = JsonElement.Parse(output);
        Assert.Equal(("mazur-1", 1), (shown.GetProperty("run").GetString(), shown.GetProperty("step").GetInt32()));
        var trace = Assert.Single(shown.GetProperty("traces").EnumerateArray());
        Assert.True(trace.GetProperty("complete").GetBoolean());
        Assert.Equal(TutorialTrace.Spans.Count, trace.GetProperty("spans").GetArrayLength());
        var forward = trace
            .GetProperty("spans")
            .EnumerateArray()
            .Single(s => s.GetProperty("name").GetString() == "forward h1");
        Assert.Equal(
            (20.5m, 40.7m, "silo-2", 2),
            (
                forward.GetProperty("startMicroseconds").GetDecimal(),
                forward.GetProperty("durationMicroseconds").GetDecimal(),
                forward.GetProperty("silo").GetString(),
                forward.GetProperty("depth").GetInt32()
            )
        );
        Assert.Equal(0.593269992, forward.GetProperty("attributes").GetProperty("backprop.output").GetDouble());
    }

    [Fact]
    public async Task AnUnknownStepIsAUsageErrorAndWritesNothing()
    {
        folder.Add("mazur-1", TutorialTrace.Lines);
        var target = Path.Combine(folder.Path, "out.json");
        Assert.Equal(
            (2, "", "backprop: step 9 of run mazur-1 was not recorded. Nothing was written. Recorded are steps 1.\n"),
            await Run("show", "--step", "9")
        );
        Assert.Equal(2, (await Run("export", "--step", "9", "--to", "perfetto", "--out", target)).ExitCode);
        Assert.False(File.Exists(target));
    }

    [Fact]
    public async Task ATornLineIsAWarningAndTheRestIsShown()
    {
        folder.Add("mazur-1", TutorialTrace.Lines + "{\"resourceSpans\":[{");
        var (exitCode, output, talk) = await Run("show");
        Assert.Equal(0, exitCode);
        Assert.StartsWith("warning: ", talk, StringComparison.Ordinal);
        Assert.Contains(":4: the last line is not whole", talk, StringComparison.Ordinal);
        Assert.Contains("train step", output, StringComparison.Ordinal);
    }

    [Theory, InlineData("perfetto", "traceEvents"), InlineData("otlp-json", "resourceSpans")]
    public async Task AnExportIsTheSameOnStandardOutputAndInAFile(string format, string field)
    {
        folder.Add("mazur-1", TutorialTrace.Lines);
        var target = Path.Combine(folder.Path, "out.json");
        var printed = await Run("export", "--step", "1", "--to", format);
        Assert.Equal(0, printed.ExitCode);
        Assert.True(JsonElement.Parse(printed.Output).TryGetProperty(field, out _));
        Assert.DoesNotContain(TutorialTrace.EvaluationId, printed.Output, StringComparison.Ordinal);
        Assert.Contains(
            TutorialTrace.EvaluationId,
            (await Run("export", "--to", "otlp-json")).Output,
            StringComparison.Ordinal
        );

        Assert.Equal(
            (0, $"{target}: 14 spans in 1 trace of run mazur-1\n", ""),
            await Run("export", "--step", "1", "--to", format, "--out", target)
        );
        Assert.Equal(printed.Output, await File.ReadAllTextAsync(target, TestContext.Current.CancellationToken) + "\n");
        Assert.False(File.Exists(target + ".new"));
    }

    [Fact]
    public async Task WhatCannotBeWrittenOrIsNoFormatSaysSo()
    {
        folder.Add("mazur-1", TutorialTrace.Lines);
        var (exitCode, _, talk) = await Run(
            "export",
            "--to",
            "perfetto",
            "--out",
            Path.Combine(folder.Path, "nowhere", "out.json")
        );
        Assert.Equal(6, exitCode);
        Assert.EndsWith("Nothing was exported. Choose another --out.\n", talk, StringComparison.Ordinal);
        Assert.Equal(2, (await Run("export", "--to", "jaeger-json")).ExitCode);
    }

    private Task<(int ExitCode, string Output, string Diagnostics)> Run(params string[] arguments) =>
        Child.Backprop(["trace", .. arguments, "--run-dir", folder.Path]);
}
