using System.Globalization;
using BackpropCluster.Core;
using Spectre.Console;

namespace BackpropCluster.Cli.Learn;

/// <summary>The tutorial on a screen, 80 columns wide: every message with its numbers beside the printed
/// ones.</summary>
internal sealed class LearnReport(IAnsiConsole console)
{
    private const int NumberColumn = 52;

    public void Round(TutorialRound round, UpdateOrder update)
    {
        Line("");
        Line($"[bold]round {round.Round}[/], update order {Name(update)}");
        var phase = "";
        foreach (var message in round.Messages)
        {
            if (message.Phase != phase)
                Heading(phase = message.Phase);
            Line(
                message.To.Length > 0
                    ? $"[bold]{message.From} → {message.To}[/]"
                    : $"[bold]{message.From}[/] when the commit is proved"
            );
            foreach (var quantity in message.Quantities)
                Quantity(quantity, round.Round == 1 ? TutorialFigures.Of(quantity.Name) : null);
        }
    }

    public void Closing(LearnedRun after, LearnedRun during, int rounds)
    {
        Line("");
        Line("[bold]Both update orders, beside what the tutorial prints[/]");
        Line("[dim]after-backward updates all weights after the hidden deltas, as the text says;[/]");
        Line("[dim]during-backward updates w5..w8 first, as the program did that made some figures.[/]");
        var table = new Table()
            .Border(TableBorder.Horizontal)
            .AddColumn("")
            .AddColumn(new TableColumn("tutorial").RightAligned())
            .AddColumn(new TableColumn("after-backward").RightAligned())
            .AddColumn(new TableColumn("during-backward").RightAligned());
        foreach (var name in Enumerable.Range(1, 8).Select(i => $"w{i}_new"))
            Row(
                table,
                TutorialFigures.Of(name)! with
                {
                    Name = $"{name[..2]} after 1 update",
                },
                ValueOf(after, name),
                ValueOf(during, name)
            );
        Row(table, TutorialFigures.LossAfterOneUpdate, LossAfterOne(after), LossAfterOne(during));
        if (rounds >= 10_000)
        {
            Row(
                table,
                TutorialFigures.LossIn10000thPass,
                after.Result.Steps[9_999].Loss,
                during.Result.Steps[9_999].Loss
            );
            if (rounds == 10_000)
                for (var o = 0; o < 2; o++)
                    Row(table, TutorialFigures.OutputsAfter10000[o], after.OutputsAfter[o], during.OutputsAfter[o]);
        }

        console.Write(table);
        Line("[dim]✓ equal to the printed digits    ≠ made by the other update order[/]");
        Line("[dim]≈ equal but for the last digit, a rounding slip of the tutorial's[/]");
        Line(
            $"E after {rounds.ToString("N0", CultureInfo.InvariantCulture)} round{(rounds == 1 ? "" : "s")}: "
                + $"{Exact(after.LossAfter)} after-backward,"
        );
        Line($"{new string(' ', 15)}{Exact(during.LossAfter)} during-backward");
        if (rounds < 10_000)
            Line("[dim]the figures after 10,000 rounds: backprop learn mazur --rounds 10000[/]");
    }

    private void Heading(string phase)
    {
        Line("");
        Line(
            $"[bold yellow]{phase}[/]" + new string(' ', NumberColumn - phase.Length) + "[dim]ours         tutorial[/]"
        );
    }

    private void Quantity(TutorialQuantity quantity, TutorialFigure? figure)
    {
        var value = figure is null
            ? Number(quantity.Value)
            : quantity.Value.ToString(
                "F" + (figure.Printed.Length - figure.Printed.IndexOf('.', StringComparison.Ordinal) - 1),
                CultureInfo.InvariantCulture
            );
        var text = $"  {quantity.Name} = {quantity.Formula}";
        if (quantity.Numbers.Length > 0)
        {
            Line(Markup.Escape(text));
            text = new string(' ', quantity.Name.Length + 2) + " = " + quantity.Numbers;
        }

        var verdict = Verdict(quantity.Value, figure);
        var number = verdict.Length > 0 ? value.PadRight(12) : value;
        Line($"{Markup.Escape(text.PadRight(NumberColumn))}[green]{number}[/] {verdict}".TrimEnd());
    }

    private static string Verdict(double value, TutorialFigure? figure) =>
        figure switch
        {
            null => "",
            { IsSlip: true } => $"{figure.Printed} [yellow]≈[/]",
            _ when figure.Matches(value) => $"{figure.Printed} [green]✓[/]",
            _ => $"{figure.Printed} [yellow]≠[/]",
        };

    private static void Row(Table table, TutorialFigure figure, double after, double during) =>
        table.AddRow(figure.Name, figure.Printed, Cell(figure, after), Cell(figure, during));

    private static string Cell(TutorialFigure figure, double value)
    {
        var digits = figure.Printed.Length - figure.Printed.IndexOf('.', StringComparison.Ordinal) - 1;
        var text = value.ToString($"F{digits}", CultureInfo.InvariantCulture);
        return figure.Matches(value) ? $"[green]{text} ✓[/]" : $"{text}  ";
    }

    private static double ValueOf(LearnedRun run, string name) =>
        run.Rounds[0].Quantities.Single(q => q.Name == name).Value;

    private static double LossAfterOne(LearnedRun run) =>
        run.Result.Steps.Length > 1 ? run.Result.Steps[1].Loss : run.LossAfter;

    private static string Number(double value) => value.ToString("0.000000000", CultureInfo.InvariantCulture);

    private static string Exact(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static string Name(UpdateOrder update) =>
        update == UpdateOrder.AfterBackward ? "after-backward" : "during-backward";

    private void Line(string markup) => console.MarkupLine(markup);
}
