using System.Text;

namespace BackpropCluster.Tests.Processes;

/// <summary>How a command ends that a user can do something about.</summary>
internal static class Mistake
{
    /// <summary>One clear error, nothing on standard output, no stack trace.</summary>
    public static void Assert(Ended ended, int exitCode, params string[] says)
    {
        Xunit.Assert.True(ended.ExitCode == exitCode, $"exit code {ended.ExitCode}, expected {exitCode}: {ended.Talk}");
        Xunit.Assert.Equal("", ended.Output);
        var lines = ended.Talk.TrimEnd('\n').Split('\n');
        Xunit.Assert.True(lines.Length == 1 && lines[0].StartsWith("backprop: ", StringComparison.Ordinal), $"not one line of error: {ended.Talk}");
        foreach (var text in says) Xunit.Assert.Contains(text, lines[0], StringComparison.Ordinal);
        Xunit.Assert.DoesNotContain("Exception", lines[0], StringComparison.Ordinal);
    }

    /// <summary>A text is not in what was said, neither as it is nor as a URL or a JSON text would hold it.</summary>
    public static void AssertSecret(string secret, string said, string where)
    {
        foreach (var form in new[] { secret, Uri.EscapeDataString(secret), System.Text.Json.JsonEncodedText.Encode(secret).ToString(), Convert.ToBase64String(Encoding.UTF8.GetBytes(secret)) })
            Xunit.Assert.False(said.Contains(form, StringComparison.Ordinal), $"{where} holds the password");
    }
}
