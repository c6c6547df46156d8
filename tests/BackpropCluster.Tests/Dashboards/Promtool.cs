using System.Diagnostics;
using BackpropCluster.Cli.CommandLine;

namespace BackpropCluster.Tests.Dashboards;

/// <summary>Prometheus' own parser, from Debian's package prometheus.</summary>
internal static class Promtool
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(30);

    /// <summary>Skips the test where the package is missing; in CI it has to be there.</summary>
    public static void Need()
    {
        if (IsInstalled("promtool") && IsInstalled("prometheus"))
            return;
        Assert.False(
            Environment.GetEnvironmentVariable("CI") == "true",
            "prometheus is not installed, and CI must run these tests: apt-get install prometheus"
        );
        Assert.Skip("prometheus is not installed: apt-get install prometheus");
    }

    /// <summary>Checks one file.</summary>
    /// <param name="kind">What <c>promtool check</c> calls it.</param>
    /// <param name="text">The file's text.</param>
    public static async Task<(int Code, string Output)> Check(string kind, string text)
    {
        var folder = Directory.CreateTempSubdirectory("backprop-promtool-");
        try
        {
            var file = Path.Combine(folder.FullName, "file.yml");
            await File.WriteAllTextAsync(file, text);
            using var process = Process.Start(
                new ProcessStartInfo("promtool", ["check", kind, file])
                {
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                }
            )!;
            var (output, talk) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            using var bound = new CancellationTokenSource(Bound);
            await process.WaitForExitAsync(bound.Token);
            return (process.ExitCode, await output + await talk);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static bool IsInstalled(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(':')
            .Any(path => File.Exists(Path.Combine(path, program)));
}
