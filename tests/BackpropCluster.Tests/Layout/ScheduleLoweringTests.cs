using BackpropCluster.Core.Layout;
using BackpropCluster.Core.Layout.Checking;
using BackpropCluster.Core.Layout.Generators;
using BackpropCluster.Core.Layout.Lowering;

namespace BackpropCluster.Tests.Layout;

/// <summary>Sends, receives and what concerns whole stages are inserted as PyTorch does it.</summary>
public sealed class ScheduleLoweringTests
{
    [Fact]
    public void TheListingOfThePyTorchIssueIsMade() =>
        Assert.Equal(
            GoldenTables.Csv(GoldenTables.LoweredInterleaved),
            ScheduleText.Write(
                ScheduleLowering.Lower(GoldenTables.Generate("interleaved_1f1b", 2, 2, 2), LoweringForm.ShardedStages)
            )
        );

    /// <summary>Every way of lowering: it is read back, has every transfer that it needs, and gets through with and
    /// without buffers.</summary>
    [Theory, InlineData(LoweringForm.Transfers), InlineData(LoweringForm.ShardedStages)]
    public void ItGetsThroughEvenWithoutABuffer(LoweringForm form)
    {
        var faults = new List<string>();
        foreach (var (generator, shape) in Sizes())
        {
            var lowered = ScheduleLowering.Lower(generator.Generate(shape), form);
            var report = ScheduleReport.Of(ScheduleText.Read(ScheduleText.Write(lowered)), ActionTimes.Unit, null);
            if ((report.Refusal ?? report.Rendezvous) is { } fault)
                faults.Add($"{generator.Name} {shape}: {fault}");
        }

        Assert.True(faults.Count == 0, $"{faults.Count}: {string.Join("\n", faults.Take(8))}");
    }

    private static IEnumerable<(ScheduleGenerator Generator, ScheduleShape Shape)> Sizes() =>
        ScheduleGeneratorTests
            .Allowed()
            .Where(size =>
                size.Shape.Ranks is 1 or 2 or 3 or 4 or 8 && size.Shape.Microbatches is 2 or 4 or 8 or 12 or 16
            );
}
