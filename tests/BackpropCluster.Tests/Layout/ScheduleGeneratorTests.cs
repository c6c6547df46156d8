using BackpropCluster.Core.Layout;
using BackpropCluster.Core.Layout.Checking;
using BackpropCluster.Core.Layout.Generators;

namespace BackpropCluster.Tests.Layout;

/// <summary>Generators write PyTorch's listings byte for byte, and refuse sizes that their rules do not have.</summary>
public sealed class ScheduleGeneratorTests
{
    [Theory, MemberData(nameof(GoldenTables.All), MemberType = typeof(GoldenTables))]
    public void EachWritesPyTorchsListing(string name, ScheduleShape shape, string table) =>
        Assert.Equal(GoldenTables.Csv(table), ScheduleText.Write(ScheduleGenerator.Find(name)!.Generate(shape)));

    /// <summary>Every allowed size up to 8 ranks, 3 stages a rank, 24 microbatches holds each action once and in
    /// order.</summary>
    [Fact]
    public void EverySizeThatIsAllowedIsValid()
    {
        var count = 0;
        foreach (var (generator, shape) in Allowed())
        {
            count++;
            var schedule = generator.Generate(shape);
            Assert.True(
                ScheduleValidity.Refuse(schedule) is null,
                $"{generator.Name} {shape}: {ScheduleValidity.Refuse(schedule)}"
            );
            Assert.Equal(
                (shape.Ranks, shape.Stages, shape.Microbatches),
                (
                    schedule.Ranks,
                    ScheduleValidity.RankOfStages(schedule).Length,
                    ScheduleValidity.Microbatches(schedule)
                )
            );
        }

        Assert.True(count > 1000, $"only {count} sizes are allowed");
    }

    [
        Theory,
        InlineData("gpipe", 2, 2, 4, "2 stages a rank, expected 1. Set stages per rank to 1"),
        InlineData("1f1b", 4, 1, 3, "3 microbatches for 4 stages, expected at least 4"),
        InlineData("1f1b", 4, 1, 3, "Set microbatches to 4"),
        InlineData("interleaved_1f1b", 4, 2, 9, "9 microbatches make ⌊9/4⌋ = 2 rounds, and 9 = 2·4 + 1 leaves a rest"),
        InlineData("interleaved_1f1b", 4, 2, 9, "Set microbatches to 8 or 10"),
        InlineData("zb1p", 4, 1, 13, "Set microbatches to 12 or 15"),
        InlineData("zbv", 4, 1, 8, "1 stages a rank, expected 2"),
        InlineData("dualpipe_v", 4, 2, 7, "expected at least 2·4 = 8"),
        InlineData("dualpipe_v", 4, 2, 7, "Set microbatches to 8"),
        InlineData("gpipe", 0, 1, 8, "must be at least 1"),
        InlineData("looped_bfs", 1000, 100, 100, "more than 1000000 forward actions")
    ]
    public void ASizeThatTheRuleDoesNotHaveIsRefusedWithTheNearest(string name, int p, int v, int m, string says)
    {
        var refused = Assert.Throws<ScheduleException>(() => GoldenTables.Generate(name, p, v, m));
        Assert.StartsWith(name + ": ", refused.Message, StringComparison.Ordinal);
        Assert.Contains(says, refused.Message, StringComparison.Ordinal);
    }

    /// <summary>The numbers that a refusal proposes are taken.</summary>
    [Fact]
    public void WhatARefusalProposesIsTaken()
    {
        var proposed = 0;
        for (var p = 1; p <= 8; p++)
        for (var m = 1; m <= 40; m++)
            try
            {
                GoldenTables.Generate("zb1p", p, 1, m);
            }
            catch (ScheduleException e)
            {
                var numbers = e.Message[(e.Message.LastIndexOf("to ", StringComparison.Ordinal) + 3)..].Split(" or ");
                foreach (var number in numbers)
                    GoldenTables.Generate(
                        "zb1p",
                        p,
                        1,
                        int.Parse(number, System.Globalization.CultureInfo.InvariantCulture)
                    );
                proposed++;
            }

        Assert.True(proposed > 50, $"only {proposed} sizes were refused");
    }

    /// <summary>Every generator with every size up to p = 8, v = 3, m = 24 that it takes.</summary>
    internal static IEnumerable<(ScheduleGenerator Generator, ScheduleShape Shape)> Allowed()
    {
        foreach (var generator in ScheduleGenerator.All)
            for (var p = 1; p <= 8; p++)
            for (var v = 1; v <= 3; v++)
            for (var m = 1; m <= 24; m++)
                if (IsAllowed(generator.Name, p, v, m))
                    yield return (generator, new ScheduleShape(p, v, m));
    }

    // Written down once more from the schedules' papers and PyTorch's own checks.
    private static bool IsAllowed(string name, int p, int v, int m) =>
        name switch
        {
            "gpipe" => v == 1,
            "1f1b" => v == 1 && m >= p,
            "looped_bfs" => true,
            "interleaved_1f1b" or "zb1p" => m < p || m % (m / p) == 0,
            "zbv" => v == 2,
            "dualpipe_v" => v == 2 && m >= 2 * p,
            _ => throw new ArgumentException(name, nameof(name)),
        };
}
