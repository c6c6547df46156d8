using System.Text;

namespace BackpropCluster.ClusterTests.Processes;

/// <summary>How a command ends that a user can do something about.</summary>
internal static class Mistake
{
    /// <summary>One clear error, nothing on standard output, no stack trace.</summary>
    public static void Assert(Ended ended, int exitCode, params string[] says)
    {
        Xunit.Assert.True(ended.ExitCode == exitCode, $"exit code {ended.ExitCode}, expected {exitCode}: {ended.Talk}");
        Xunit.Assert.Equal("", ended.Output);
        var lines = ended.Talk.TrimEnd('\n').Split('\n');
        Xunit.Assert.True(
            lines.Length == 1 && lines[0].StartsWith("backprop: ", StringComparison.Ordinal),
            $"not one line of error: {ended.Talk}"
        );
        foreach (var text in says)
            Xunit.Assert.Contains(text, lines[0], StringComparison.Ordinal);
        // A defect is named by its type; what a user can do something about is not.
        if (exitCode != 1)
            Xunit.Assert.DoesNotContain("Exception", lines[0], StringComparison.Ordinal);
    }

    /// <summary>The same of some commands at once.</summary>
    public static async Task AssertEach(Backprop backprop, string[][] commands, int exitCode, params string[] says)
    {
        foreach (var ended in await Task.WhenAll(commands.Select(command => backprop.Run(command))))
            Assert(ended, exitCode, says);
    }

    /// <summary>Commands that need a cluster.</summary>
    public static string[][] CommandsOf(string cluster) =>
        [
            ["silo", "--cluster", cluster],
            ["train", Path.Combine(Backprop.Root, "examples", "xor.yaml"), "--cluster", cluster],
            ["runs", "list", "--cluster", cluster],
            ["cluster", "status", "--cluster", cluster],
        ];

    /// <summary>A text is not in what was said, neither as it is nor as a URL or a JSON text would hold it.</summary>
    public static void AssertSecret(string secret, string said, string where)
    {
        foreach (
            var form in new[]
            {
                secret,
                Uri.EscapeDataString(secret),
                System.Text.Json.JsonEncodedText.Encode(secret).ToString(),
                Convert.ToBase64String(Encoding.UTF8.GetBytes(secret)),
            }
        )
            Xunit.Assert.False(said.Contains(form, StringComparison.Ordinal), $"{where} holds the password");
    }
}
