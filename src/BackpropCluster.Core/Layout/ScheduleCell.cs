using System.Collections.Immutable;

namespace BackpropCluster.Core.Layout;

/// <summary>One place in a rank's program: nothing (idle), an action, or several that run as one
/// (overlapped).</summary>
/// <param name="Parts">In the order in which the text has them.</param>
public readonly record struct ScheduleCell(ImmutableArray<StageAction> Parts)
{
    public ScheduleCell(StageAction action)
        : this([action]) { }

    /// <summary>A step in which the listing has the rank wait. It costs no time of its own: an action starts when its
    /// inputs are in, whatever idle cells stand before it.</summary>
    public static ScheduleCell Idle { get; } = new([]);

    public bool IsIdle => Parts.IsEmpty;

    /// <summary>Whether it has several parts: PyTorch's <c>OVERLAP_F_B</c>.</summary>
    public bool IsOverlap => Parts.Length > 1;

    public override string ToString() =>
        IsIdle ? ""
        : IsOverlap ? $"({string.Join(';', Parts)}){ScheduleText.Overlap}"
        : Parts[0].ToString();
}
