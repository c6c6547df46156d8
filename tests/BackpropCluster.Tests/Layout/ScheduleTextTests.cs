using System.Collections.Immutable;
using BackpropCluster.Core.Layout;
using BackpropCluster.Core.Layout.Checking;
using CsCheck;

namespace BackpropCluster.Tests.Layout;

/// <summary>Schedule files in and out: what is written is read back, and nothing is guessed.</summary>
public sealed class ScheduleTextTests
{
    private static readonly Gen<StageAction> compute = Gen.Select(
        Gen.Int[0, 12],
        Gen.Enum<ActionKind>().Where(kind => kind <= ActionKind.FullBackward),
        Gen.Int[0, 30],
        (stage, kind, microbatch) => new StageAction(stage, kind, microbatch)
    );

    private static readonly Gen<StageAction> any = Gen.Select(
        Gen.Int[0, 12],
        Gen.Enum<ActionKind>(),
        Gen.Int[0, 30],
        (stage, kind, microbatch) =>
            new StageAction(stage, kind) is { IsOfStage: true } whole ? whole : new StageAction(stage, kind, microbatch)
    );

    private static readonly Gen<ScheduleCell> overlap = compute
        .Array[2, 3]
        .Select(parts => new ScheduleCell([.. parts]));

    [Theory, MemberData(nameof(GoldenTables.All), MemberType = typeof(GoldenTables))]
    public void PyTorchsListingsAreReadAndWrittenBack(string name, ScheduleShape shape, string table)
    {
        _ = (name, shape);
        Assert.Equal(GoldenTables.Csv(table), ScheduleText.Write(ScheduleText.Read(GoldenTables.Csv(table))));
    }

    [Fact]
    public void ALoweredListingIsReadAndWrittenBack()
    {
        var text = GoldenTables.Csv(GoldenTables.LoweredInterleaved);
        Assert.True(ScheduleText.Read(text).IsLowered);
        Assert.Equal(text, ScheduleText.Write(ScheduleText.Read(text)));
    }

    [Fact]
    public void BlanksRoundCellsAndWindowsLineEndsDoNotCount() =>
        Assert.Equal("0F0,,0B0\n1F0,1B0\n", ScheduleText.Write(ScheduleText.Read(" 0F0 ,\t, 0B0\r\n1F0, 1B0")));

    /// <summary>Whatever is written, of both kinds of files, is read as what it was.</summary>
    [Fact]
    public void WhatIsWrittenIsReadBack()
    {
        var idle = Gen.Const(ScheduleCell.Idle);
        var computeOnly = Gen.OneOf(compute.Select(action => new ScheduleCell(action)), overlap, idle);
        var lowered = Gen.OneOf(any.Select(action => new ScheduleCell(action)), overlap);
        Gen.OneOf(computeOnly.Array[1, 12].Array[1, 5], lowered.Array[1, 12].Array[1, 5])
            .Select(rows => new PipelineSchedule([.. rows.Select(row => row.ToImmutableArray())]))
            .Where(IsText)
            .Sample(schedule =>
            {
                var text = ScheduleText.Write(schedule);
                return ScheduleText.Write(ScheduleText.Read(text)) == text;
            });
    }

    [Theory, MemberData(nameof(BadSchedules.Unreadable), MemberType = typeof(BadSchedules))]
    public void ABadTextIsRefusedAtItsPlace(string text, int? rank, int? position, string says)
    {
        var refusal = Assert.Throws<ScheduleException>(() => ScheduleText.Read(text)).Refusal;
        Assert.Equal((rank, position), (refusal.Rank, refusal.Position));
        Assert.Contains(says, refusal.Reason, StringComparison.Ordinal);
        Assert.DoesNotContain(refusal.ToString(), char.IsControl);
    }

    [Theory, MemberData(nameof(BadSchedules.Invalid), MemberType = typeof(BadSchedules))]
    public void AnInvalidScheduleIsRefusedAtItsPlace(string text, int? rank, int? position, string says)
    {
        var refusal = ScheduleValidity.Refuse(ScheduleText.Read(text));
        Assert.NotNull(refusal);
        Assert.Equal((rank, position), (refusal.Rank, refusal.Position));
        Assert.Contains(says, refusal.Reason, StringComparison.Ordinal);
    }

    /// <summary>A cut within a row is noticed. One between two rows leaves fewer ranks, which can be a schedule of its
    /// own: that is what <c>schedule check --ranks</c> is for.</summary>
    [Fact]
    public void ATruncatedFileIsRefused()
    {
        var text = GoldenTables.Csv(GoldenTables.OneForwardOneBackward);
        for (var length = 0; length < text.Length - 1; length++)
            Assert.True(
                IsRefused(text[..length]) || text[length] == '\n' || text[length - 1] == '\n',
                $"the first {length} characters were taken"
            );
        Assert.False(IsRefused(text[..^1]));
    }

    private static bool IsRefused(string text)
    {
        try
        {
            return ScheduleValidity.Refuse(ScheduleText.Read(text)) is not null;
        }
        catch (ScheduleException)
        {
            return true;
        }
    }

    // A row of idle cells only, an idle cell beside communication, and W beside B are no text.
    private static bool IsText(PipelineSchedule schedule) =>
        schedule.Programs.All(row => row.Any(cell => !cell.IsIdle))
        && !(schedule.IsLowered && schedule.Programs.Any(row => row.Any(cell => cell.IsIdle)))
        && !schedule.Actions.Any(action =>
            action.Kind == ActionKind.WeightBackward
            && schedule.Actions.Contains(action with { Kind = ActionKind.FullBackward })
        );
}
