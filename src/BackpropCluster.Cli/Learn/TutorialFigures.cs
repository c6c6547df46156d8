using System.Globalization;
using BackpropCluster.Core;

namespace BackpropCluster.Cli.Learn;

/// <summary>A number that the tutorial prints, and the rule that makes it.</summary>
/// <param name="Name">The quantity, as <see cref="TutorialRound"/> names it.</param>
/// <param name="Printed">The digits as printed.</param>
/// <param name="Rule">The only update order that gives it; <see langword="null"/> where both do.</param>
/// <param name="IsSlip">The last printed digit is a rounding slip of the tutorial.</param>
internal sealed record TutorialFigure(string Name, string Printed, UpdateOrder? Rule = null, bool IsSlip = false)
{
    /// <summary>Whether a value equals the figure to all its printed digits.</summary>
    public bool Matches(double value)
    {
        var digits = Printed.Length - Printed.IndexOf('.', StringComparison.Ordinal) - 1;
        return value.ToString($"F{digits}", CultureInfo.InvariantCulture) == Printed;
    }
}

/// <summary>What the tutorial prints. Its numbers do not all come from one algorithm: each stands with the rule that
/// makes it.</summary>
/// <remarks>M. Mazur, "A Step by Step Backpropagation Example", 2015, retold by J. Urbain.</remarks>
internal static class TutorialFigures
{
    private const UpdateOrder After = UpdateOrder.AfterBackward;
    private const UpdateOrder During = UpdateOrder.DuringBackward;

    /// <summary>Of the first round.</summary>
    public static IReadOnlyList<TutorialFigure> FirstRound { get; } =
    [
        new("net_h1", "0.3775"),
        new("out_h1", "0.593269992"),
        new("out_h2", "0.596884378"),
        new("net_o1", "1.105905967"),
        new("out_o1", "0.75136507"),
        new("out_o2", "0.772928465"),
        new("E_o1", "0.274811083"),
        new("E_o2", "0.023560026"),
        new("E", "0.298371109"),
        new("dE_dout_o1", "0.74136507"),
        new("dout_dnet_o1", "0.186815602"),
        new("delta_o1", "0.138498562"),
        new("dE_dw5", "0.082167041"),
        new("w5_new", "0.35891648"),
        new("w6_new", "0.408666186"),
        new("w7_new", "0.511301270"),
        new("w8_new", "0.561370121"),
        new("dE_o2_dout_h1", "-0.019049119", After, IsSlip: true),
        new("dE_dout_h1", "0.036350306", After),
        new("dE_dw1", "0.000438568", After),
        new("w1_new", "0.149780716", After),
        new("w2_new", "0.19956143", After),
        new("w3_new", "0.24975114", After),
        new("w4_new", "0.29950229", After),
    ];

    /// <summary>E of the forward pass after the first update.</summary>
    public static TutorialFigure LossAfterOneUpdate { get; } = new("E after 1 update", "0.291027924", During);

    /// <summary>E of the 10,000th forward pass, that is after 9,999 updates.</summary>
    public static TutorialFigure LossIn10000thPass { get; } = new("E in the 10,000th pass", "0.0000351085", After);

    /// <summary>Outputs after 10,000 updates.</summary>
    public static IReadOnlyList<TutorialFigure> OutputsAfter10000 { get; } =
    [new("out_o1 after 10,000", "0.015912196", During), new("out_o2 after 10,000", "0.984065734", During)];

    public static TutorialFigure? Of(string name) => FirstRound.FirstOrDefault(f => f.Name == name);
}
