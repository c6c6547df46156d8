using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Spectre.Console;

namespace BackpropCluster.Cli.CommandLine;

/// <summary>Standard output carries the result, standard error the diagnostics.</summary>
internal static class Output
{
    public static JsonSerializerOptions Camel { get; } =
        new()
        {
            PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        };

    /// <summary>The result, for people.</summary>
    public static IAnsiConsole Console { get; } = Create(System.Console.Out, System.Console.IsOutputRedirected);

    /// <summary>Diagnostics: progress and warnings.</summary>
    public static IAnsiConsole Diagnostics { get; } = Create(System.Console.Error, System.Console.IsErrorRedirected);

    /// <summary>Whether diagnostics may redraw a line.</summary>
    public static bool DiagnosticsAreLive { get; } =
        !System.Console.IsErrorRedirected && Environment.GetEnvironmentVariable("NO_COLOR") is null or "";

    /// <summary>The result, for programs: one object, one line.</summary>
    public static void Json(object result) => System.Console.Out.WriteLine(JsonSerializer.Serialize(result, Camel));

    /// <summary>A number a second, for people: one of a slow run is not shown as none.</summary>
    public static string Rate(double perSecond) =>
        perSecond.ToString(perSecond < 10 ? "0.0" : "N0", CultureInfo.InvariantCulture);

    private static IAnsiConsole Create(TextWriter writer, bool redirected)
    {
        var plain = redirected || !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
        var console = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Out = new AnsiConsoleOutput(writer),
                Ansi = redirected ? AnsiSupport.No : AnsiSupport.Detect,
                ColorSystem = plain ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
            }
        );
        // A file has no width: lines are not to be broken at some terminal's.
        if (redirected)
            console.Profile.Width = 200;
        return console;
    }
}
